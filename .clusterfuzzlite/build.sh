#!/bin/bash -eu
# Builds every target of both folders into $OUT, each with its seeds and the words of SAML.
for folder in saml/fuzz fuzz; do
    cargo fuzz build --release --fuzz-dir "$folder"
    for target in $(cargo fuzz list --fuzz-dir "$folder"); do
        cp "$folder/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
        cp saml/fuzz/saml.dict "$OUT/$target.dict"
        if [ -d "$folder/seeds/$target" ]; then
            zip --quiet --junk-paths --recurse-paths "$OUT/${target}_seed_corpus.zip" "$folder/seeds/$target"
        fi
    done
done
