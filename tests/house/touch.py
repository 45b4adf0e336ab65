"""What of the world outside a crate's code touches itself, by words of ARCHITECTURE.md."""

import re

#: How each part of the outside is written in Rust. Types of the SDK alone reach nobody.
OUTSIDE = {
    "clock": r"\b(?:SystemTime|Instant|Timestamp|Zoned)::now\(|\.elapsed\(\)",
    "environment": r"\benv::(?:vars?(?:_os)?|args(?:_os)?|current_dir)\b",
    "randomness": r"\brand::|\bRandomState\b|\bfastrand\b|\bgetrandom\b",
    "files": r"\b(?:std|tokio)::fs\b|\bFile::|\bOpenOptions\b",
    "sockets": r"\bTcp(?:Listener|Stream)\b|\bUdpSocket\b|\bUnix(?:Listener|Stream)\b",
    "AWS": r"\baws_sdk_\w+::(?!types|primitives)|\baws_config::(?!SdkConfig|Region)",
    "output": r"\bstd(?:out|err)\b|\be?print(?:ln)?!",
    "log": r"\btracing::|\babout!\(",
}


def touched(house):
    """{room: {word: modules}}; the crate's root counts as the room `lib`."""
    found = {}
    for module, code in house.code.items():
        for word, written in OUTSIDE.items():
            if re.search(written, code):
                room = found.setdefault(module[0] if module else "lib", {})
                room.setdefault(word, []).append("::".join(module) or "lib")
    return found
