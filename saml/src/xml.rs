//! One strict, bounded tree.
//!
//! `quick-xml` finds the tags; everything that makes a document well-formed is decided in
//! `xml/reader.rs`, so that this folder is the border between hostile bytes and everything that
//! follows. What comes out is one arena in document order (`xml/tree.rs`): all text, already
//! normalised, lies in one string, and nodes point into it. There is one tree for verification and for
//! reading, so what was signed and what is read cannot differ.
//!
//! Prefixes and namespace URIs are integers from the moment that they are read (`xml/interner.rs`): no
//! later step compares, hashes or copies a URI, which a document writes once and uses thousands of
//! times.

mod interner;
mod lexical;
mod reader;
mod tree;

pub(crate) use lexical::{head, is_space};
pub(crate) use tree::{Attribute, Child, Document, Element, PrefixId, UriId};

/// Why bytes are no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// More bytes than are read.
    #[error("larger than {limit} bytes: {got}")]
    TooLarge {
        /// The most that is read.
        limit: usize,
        /// What came.
        got: usize,
    },
    /// Not UTF-8, or with a byte order mark.
    #[error("not UTF-8 without byte order mark")]
    NotUtf8,
    /// Not XML 1.0 in UTF-8, or a declaration in another place than the very start.
    #[error("unsupported XML declaration")]
    Declaration {
        /// The declaration.
        got: String,
    },
    /// A document type declaration.
    #[error("DOCTYPE refused")]
    Doctype,
    /// A processing instruction.
    #[error("processing instruction refused")]
    ProcessingInstruction,
    /// Against XML 1.0.
    #[error("not well-formed at byte {position}: {what}")]
    Malformed {
        /// Byte offset.
        position: u64,
        /// The rule.
        what: &'static str,
    },
    /// Against Namespaces in XML 1.0.
    #[error("not namespace-well-formed at byte {position}: {what}")]
    Namespace {
        /// Byte offset.
        position: u64,
        /// The rule.
        what: &'static str,
    },
    /// Nested too deeply.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The most that is read.
        limit: usize,
    },
    /// Too many elements.
    #[error("more than {limit} elements")]
    TooManyElements {
        /// The most that is read.
        limit: usize,
    },
    /// Too many attributes and namespace declarations on one element.
    #[error("more than {limit} attributes on one element")]
    TooManyAttributes {
        /// The most that is read.
        limit: usize,
    },
    /// Two elements with one ID.
    #[error("repeated ID")]
    IdRepeated {
        /// The ID.
        id: String,
    },
}

/// What a document may be at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
    pub(crate) elements: usize,
    /// Attributes and namespace declarations on one element, together.
    pub(crate) attributes: usize,
    /// Whether processing instructions are skipped instead of refused.
    pub(crate) instructions: bool,
    /// Whether an ID may stand on one element only. Attributes named `ID`, `Id`, `id` and
    /// `xml:id` count, whatever a schema says: verifiers disagree about what an ID is, and a
    /// document on which they agree has none twice.
    pub(crate) unique_ids: bool,
}

impl Limits {
    /// What a response may be at most.
    pub(crate) const RESPONSE: Self = Self {
        bytes: 262_144,
        depth: 64,
        elements: 20_000,
        attributes: 64,
        instructions: false,
        unique_ids: true,
    };

    /// Metadata comes from administrators, not from the internet, but is bounded all the same.
    pub(crate) const METADATA: Self = Self {
        bytes: 1_048_576,
        depth: 64,
        elements: 20_000,
        attributes: 64,
        instructions: true,
        unique_ids: false,
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canonical::canonical_form_twice;

    const LIMITS: Limits = Limits::RESPONSE;

    fn parse(xml: &str) -> Result<Document, XmlError> {
        Document::parse(xml.as_bytes(), LIMITS)
    }

    #[test]
    fn text_is_joined_across_comments_and_cdata() {
        let document = parse("<a>1<!-- x -->2<![CDATA[<3>]]>&#52;</a>").unwrap();
        assert_eq!(document.root().text().unwrap(), "12<3>4");
        assert!(parse("<a>1<b/>2</a>").unwrap().root().text().is_none());
    }

    #[test]
    fn line_ends_are_normalised_and_references_to_them_stay() {
        let document = parse("<a b='1\r\n2\r3\t&#13;'>1\r\n2\r\r\n3&#13;</a>").unwrap();
        assert_eq!(document.root().text().unwrap(), "1\n2\n\n3\r");
        assert_eq!(document.root().attribute("b"), Some("1 2 3 \r"));
    }

    #[test]
    fn namespaces_are_resolved_innermost_first() {
        let document =
            parse("<p:a xmlns:p='u:1'><p:b xmlns:p='u:2' xmlns=''/><p:c/></p:a>").unwrap();
        let uris: Vec<_> = document.root().subtree().map(Element::namespace).collect();
        assert_eq!(uris, ["u:1", "u:2", "u:1"]);
    }

    #[test]
    fn a_fragment_is_read_with_the_namespaces_and_the_limits_of_its_place() {
        let outer = parse("<a xmlns='u:0' xmlns:p='u:p'><b xmlns:q='u:q' xmlns=''/></a>").unwrap();
        let place = outer.root().elements().next().unwrap();
        let read = |xml: &str, limits| Document::parse_in_place_of(xml.as_bytes(), place, limits);
        let fragment = read("<p:x q:y=''><z/></p:x>", LIMITS).unwrap();
        assert_eq!(fragment.root().namespace(), "u:p");
        assert_eq!(fragment.root().elements().next().unwrap().namespace(), "");
        assert!(read("<r:x/>", LIMITS).is_err());
        // The place is at depth 2 of a document with 2 elements.
        let deepest = Limits { depth: 3, elements: 4, ..LIMITS };
        assert!(read("<x><y/></x>", deepest).is_ok());
        assert_eq!(
            read("<x><y><z/></y></x>", deepest).unwrap_err(),
            XmlError::TooDeep { limit: 3 }
        );
        assert_eq!(
            read("<x><y/><z/></x>", deepest).unwrap_err(),
            XmlError::TooManyElements { limit: 4 }
        );
    }

    #[test]
    fn an_id_may_not_stand_in_a_fragment_and_around_it() {
        let outer = parse("<a ID='1'><b/></a>").unwrap();
        let place = outer.root().elements().next().unwrap();
        let read = |xml: &str| Document::parse_in_place_of(xml.as_bytes(), place, LIMITS);
        assert!(read("<x Id='2'/>").is_ok());
        assert_eq!(read("<x Id='1'/>").unwrap_err(), XmlError::IdRepeated { id: "1".into() });
    }

    #[test]
    fn a_fragment_has_no_xml_declaration() {
        let outer = parse("<a><b/></a>").unwrap();
        let place = outer.root().elements().next().unwrap();
        let xml = b"<?xml version='1.0'?><x/>";
        let refusal = Document::parse_in_place_of(xml, place, LIMITS).unwrap_err();
        assert!(matches!(refusal, XmlError::Declaration { .. }), "{refusal:?}");
        assert!(Document::parse(xml, LIMITS).is_ok());
    }

    #[test]
    fn an_element_contains_what_stands_below_it() {
        let document = parse("<a><b><c/></b><d/></a>").unwrap();
        let other = parse("<a><b><c/></b><d/></a>").unwrap();
        let elements: Vec<_> = document.root().subtree().collect();
        let &[a, b, c, d] = elements.as_slice() else { panic!("four elements") };
        assert!(a.contains(b) && a.contains(c) && a.contains(d) && b.contains(c));
        assert!(!b.contains(a) && !b.contains(b) && !b.contains(d) && !c.contains(c));
        assert!(other.root().subtree().all(|element| !a.contains(element) && a != element));
    }

    #[test]
    fn a_fragments_place_gives_each_prefix_its_innermost_namespace() {
        let outer = parse(
            "<a xmlns='u:0' xmlns:p='u:1' xmlns:q='u:q'><b xmlns:p='u:2' xmlns=''><c/></b></a>",
        )
        .unwrap();
        let place = outer.root().elements().next().unwrap().elements().next().unwrap();
        let scope: Vec<_> = place
            .in_scope()
            .into_iter()
            .map(|(prefix, uri)| (outer.prefix_text(prefix), outer.uri_text(uri)))
            .collect();
        assert_eq!(scope, [("p", "u:2"), ("q", "u:q")]);
    }

    /// Pieces of markup: close enough to XML that some of it is.
    fn markup() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("<a>"),
            Just("</a>"),
            Just("<p:b xmlns:p='u'>"),
            Just("</p:b>"),
            Just("<c d='1'/>"),
            Just("<c p:d=\"&#10;\" e='<'/>"),
            Just("&amp;"),
            Just("&x;"),
            Just("&"),
            Just("<!-- - -->"),
            Just("<!--"),
            Just("-->"),
            Just("<![CDATA["),
            Just("]]>"),
            Just("<?x?>"),
            Just("\r\n"),
            Just("ä"),
            Just("\u{FFFE}"),
            Just("text"),
            Just(" "),
            Just("<"),
            Just(">"),
            Just("xmlns=''"),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes, LIMITS);
        }

        #[test]
        fn no_markup_panics(xml in markup()) {
            let _ = parse(&xml);
            let _ = parse(&format!("<a>{xml}</a>"));
        }

        #[test]
        fn the_canonical_form_is_its_own_canonical_form(xml in markup()) {
            for with_comments in [false, true] {
                let xml = format!("<a>{xml}</a>");
                if let Some((once, twice)) = canonical_form_twice(xml.as_bytes(), with_comments) {
                    prop_assert_eq!(once, twice);
                }
            }
        }
    }
}
