//! Exclusive XML Canonicalization 1.0 of one element
//! (<https://www.w3.org/TR/xml-exc-c14n/>, after <https://www.w3.org/TR/xml-c14n>).

use std::collections::{HashMap, HashSet};

use crate::xml::{Attribute, Child, Element, Limits};

/// What may differ between two canonicalizations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Method<'d> {
    pub(crate) with_comments: bool,
    /// Prefixes that are treated as inclusive canonicalization does; `""` for `#default`.
    pub(crate) inclusive: HashSet<&'d str>,
}

/// The most that a canonical form may hold. Exclusive canonicalization writes a namespace again at
/// every element that uses it and has no ancestor that did, so that one long URI at the root and
/// many short children make gigabytes of a document that is small. Of honest documents of the
/// largest size it makes less than twice as much, of the worst text and attribute values six times.
pub(crate) const LONGEST: usize = 8 * Limits::RESPONSE.bytes;

/// The canonical form of `apex` with all that is in it, except the subtree of `omitted`; `None`
/// when it is longer than [`LONGEST`].
pub(crate) fn canonicalize(
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    method: &Method<'_>,
) -> Option<Vec<u8>> {
    let inherited = match method.inclusive.is_empty() {
        true => Vec::new(),
        false => apex.in_scope(),
    };
    let mut writer =
        Writer { method, omitted, rendered: HashMap::new(), output: Vec::with_capacity(4096) };
    let inclusive = inherited
        .iter()
        .map(|(prefix, uri)| (prefix.as_str(), uri.as_str()))
        .filter(|(prefix, _)| method.inclusive.contains(prefix));
    writer.element(apex, inclusive.collect());
    (writer.output.len() <= LONGEST).then_some(writer.output)
}

/// The canonical form of a document, and the canonical form of that; for tests. Empty where the first
/// is no document.
#[cfg(any(test, fuzzing))]
pub fn canonical_form_twice(xml: &[u8], with_comments: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    use crate::xml::Document;

    let method = Method { with_comments, ..Method::default() };
    let once = canonicalize(Document::parse(xml, Limits::RESPONSE).ok()?.root(), None, &method)?;
    // It may have grown beyond what is read.
    let limits = Limits { bytes: LONGEST, ..Limits::RESPONSE };
    let again = Document::parse(&once, limits).ok();
    let twice = again.and_then(|again| canonicalize(again.root(), None, &method));
    Some((once, twice.unwrap_or_default()))
}

struct Writer<'w> {
    method: &'w Method<'w>,
    omitted: Option<Element<'w>>,
    /// The namespace that each prefix has in the output so far.
    rendered: HashMap<&'w str, &'w str>,
    output: Vec<u8>,
}

impl<'w> Writer<'w> {
    /// `namespaces` are those of the inclusive list that come into scope here. Recursion is as
    /// deep as the document, which the reader bounds.
    fn element(&mut self, element: Element<'w>, mut namespaces: Vec<(&'w str, &'w str)>) {
        // One element adds at most the document itself, escaped.
        if self.output.len() > LONGEST {
            return;
        }
        // Visibly utilized: the element's prefix and those of its attributes.
        let mut attributes: Vec<Attribute<'w>> = element.attributes().collect();
        let utilized = attributes
            .iter()
            .filter(|attribute| !attribute.prefix.is_empty())
            .map(|attribute| (attribute.prefix, attribute.namespace))
            .chain([(element.prefix(), element.namespace())]);
        namespaces.retain(|namespace| self.is_new(*namespace));
        for namespace in utilized {
            if self.is_new(namespace) {
                namespaces.push(namespace);
            }
        }
        namespaces.sort_unstable();
        namespaces.dedup();

        self.write("<");
        self.write(element.name());
        let mut shadowed = Vec::with_capacity(namespaces.len());
        for (prefix, uri) in namespaces {
            self.write(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.write(prefix);
            self.write("=\"");
            self.write_value(uri);
            self.write("\"");
            shadowed.push((prefix, self.rendered.insert(prefix, uri)));
        }
        attributes.sort_unstable_by_key(|attribute| (attribute.namespace, attribute.local));
        for attribute in attributes {
            self.write(" ");
            self.write(attribute.name);
            self.write("=\"");
            self.write_value(attribute.value);
            self.write("\"");
        }
        self.write(">");

        for child in element.children() {
            match child {
                Child::Element(child) if self.omitted == Some(child) => {}
                Child::Element(child) => {
                    let inclusive = match self.method.inclusive.is_empty() {
                        true => Vec::new(),
                        false => child
                            .declarations()
                            .filter(|(prefix, _)| self.method.inclusive.contains(prefix))
                            .collect(),
                    };
                    self.element(child, inclusive);
                }
                Child::Text(text) => self.write_text(text),
                Child::Comment(comment) if self.method.with_comments => {
                    self.write("<!--");
                    self.write(comment);
                    self.write("-->");
                }
                Child::Comment(_) => {}
            }
        }

        self.write("</");
        self.write(element.name());
        self.write(">");
        for (prefix, uri) in shadowed {
            match uri {
                Some(uri) => self.rendered.insert(prefix, uri),
                None => self.rendered.remove(prefix),
            };
        }
    }

    /// Whether the output so far has another namespace for the prefix, or none.
    fn is_new(&self, (prefix, uri): (&str, &str)) -> bool {
        prefix != "xml" && self.rendered.get(prefix).copied().unwrap_or_default() != uri
    }

    fn write(&mut self, markup: &str) {
        self.output.extend_from_slice(markup.as_bytes());
    }

    fn write_text(&mut self, text: &str) {
        self.write_escaped(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
    }

    /// An attribute's value, or the URI of a namespace declaration.
    fn write_value(&mut self, value: &str) {
        let special = |byte| matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r');
        self.write_escaped(value, special);
    }

    fn write_escaped(&mut self, text: &str, special: impl Fn(u8) -> bool) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| special(*byte)) {
            let (plain, from) = rest.split_at(at);
            self.output.extend_from_slice(plain);
            self.output.extend_from_slice(match from.first() {
                Some(b'&') => b"&amp;",
                Some(b'<') => b"&lt;",
                Some(b'>') => b"&gt;",
                Some(b'"') => b"&quot;",
                Some(b'\t') => b"&#x9;",
                Some(b'\n') => b"&#xA;",
                _ => b"&#xD;",
            });
            rest = from.get(1..).unwrap_or_default();
        }
        self.output.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Document;

    const LIMITS: Limits = Limits::RESPONSE;

    fn canonical(xml: &str, path: &[usize], prefixes: &[&str], with_comments: bool) -> String {
        let document = Document::parse(xml.as_bytes(), LIMITS).unwrap();
        let apex = path.iter().fold(document.root(), |at, nth| at.elements().nth(*nth).unwrap());
        let method = Method { with_comments, inclusive: prefixes.iter().copied().collect() };
        String::from_utf8(canonicalize(apex, None, &method).unwrap()).unwrap()
    }

    #[test]
    fn attributes_and_namespaces_are_sorted_and_escaped() {
        assert_eq!(
            canonical(
                "<r xmlns:b='u:b' xmlns:a='u:a' z='1' b:y='&#9;&quot;&lt;' a:x=\"'>&amp;\"/>",
                &[],
                &[],
                false
            ),
            "<r xmlns:a=\"u:a\" xmlns:b=\"u:b\" z=\"1\" a:x=\"'>&amp;\" b:y=\"&#x9;&quot;&lt;\"></r>"
        );
    }

    #[test]
    fn text_keeps_references_to_carriage_returns_and_loses_cdata() {
        assert_eq!(
            canonical("<r>a\r\nb&#13;<![CDATA[<&>]]></r>", &[], &[], false),
            "<r>a\nb&#xD;&lt;&amp;&gt;</r>"
        );
    }

    #[test]
    fn only_visibly_utilized_namespaces_are_rendered_where_they_are_used() {
        let xml = "<a xmlns='u:0' xmlns:p='u:p' xmlns:q='u:q'><p:b><c q:d=''/></p:b></a>";
        assert_eq!(
            canonical(xml, &[0], &[], false),
            "<p:b xmlns:p=\"u:p\"><c xmlns=\"u:0\" xmlns:q=\"u:q\" q:d=\"\"></c></p:b>"
        );
    }

    #[test]
    fn an_undeclared_default_namespace_is_rendered_only_below_another() {
        let xml = "<a xmlns='u:0'><b xmlns=''><c/></b></a>";
        assert_eq!(
            canonical(xml, &[], &[], false),
            "<a xmlns=\"u:0\"><b xmlns=\"\"><c></c></b></a>"
        );
        assert_eq!(canonical(xml, &[0], &[], false), "<b><c></c></b>");
    }

    #[test]
    fn listed_prefixes_are_rendered_where_they_are_in_scope() {
        let xml = "<a xmlns='u:0' xmlns:p='u:p'><p:b><q:c xmlns:q='u:q' xmlns:p='u:2'/></p:b></a>";
        assert_eq!(
            canonical(xml, &[0], &["", "p"], false),
            "<p:b xmlns=\"u:0\" xmlns:p=\"u:p\"><q:c xmlns:p=\"u:2\" xmlns:q=\"u:q\"></q:c></p:b>"
        );
    }

    #[test]
    fn comments_are_kept_only_when_asked_for() {
        let xml = "<!--x--><a>1<!--&\r\n-->2</a>";
        assert_eq!(canonical(xml, &[], &[], false), "<a>12</a>");
        assert_eq!(canonical(xml, &[], &[], true), "<a>1<!--&\n-->2</a>");
    }

    #[test]
    fn xml_attributes_are_rendered_without_declaration() {
        assert_eq!(
            canonical("<a xml:lang='de'><b/></a>", &[], &["xml"], false),
            "<a xml:lang=\"de\"><b></b></a>"
        );
    }
}
