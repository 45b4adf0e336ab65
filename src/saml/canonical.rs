//! Exclusive XML Canonicalization 1.0 of one element
//! (<https://www.w3.org/TR/xml-exc-c14n/>, after <https://www.w3.org/TR/xml-c14n>).

use std::collections::{HashMap, HashSet};

use super::xml::{Attribute, Child, Element};

/// What may differ between two canonicalizations.
#[derive(Debug, Clone, Default)]
pub(super) struct Method<'d> {
    pub(super) with_comments: bool,
    /// Prefixes that are treated as inclusive canonicalization does; `""` for `#default`.
    pub(super) inclusive: HashSet<&'d str>,
}

/// The canonical form of `apex` with all that is in it, except the subtree of `omitted`.
pub(super) fn canonicalize(
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    method: &Method<'_>,
) -> Vec<u8> {
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
    writer.output
}

struct Writer<'w> {
    method: &'w Method<'w>,
    omitted: Option<Element<'w>>,
    /// The namespace that each prefix has in the output so far.
    rendered: HashMap<&'w str, &'w str>,
    output: Vec<u8>,
}

impl<'w> Writer<'w> {
    /// Recursion is as deep as the document, which the reader bounds.
    fn element(&mut self, element: Element<'w>, mut namespaces: Vec<(&'w str, &'w str)>) {
        // Visibly utilized: the element's prefix and those of its attributes.
        namespaces.push((element.prefix(), element.namespace()));
        let mut attributes: Vec<Attribute<'w>> = element.attributes().collect();
        namespaces.extend(
            attributes
                .iter()
                .filter(|attribute| !attribute.prefix.is_empty())
                .map(|attribute| (attribute.prefix, attribute.namespace)),
        );
        namespaces.retain(|(prefix, uri)| {
            *prefix != "xml" && self.rendered.get(prefix).copied().unwrap_or_default() != *uri
        });
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

    fn write(&mut self, markup: &str) {
        self.output.extend_from_slice(markup.as_bytes());
    }

    fn write_text(&mut self, text: &str) {
        self.write_escaped(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    /// An attribute's value, or the URI of a namespace declaration.
    fn write_value(&mut self, value: &str) {
        self.write_escaped(value, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            b'\t' => Some("&#x9;"),
            b'\n' => Some("&#xA;"),
            b'\r' => Some("&#xD;"),
            _ => None,
        });
    }

    fn write_escaped(&mut self, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
        let mut rest = text.as_bytes();
        while let Some((at, escaped)) =
            rest.iter().enumerate().find_map(|(at, byte)| Some((at, escape(*byte)?)))
        {
            let (before, after) = rest.split_at(at);
            self.output.extend_from_slice(before);
            self.output.extend_from_slice(escaped.as_bytes());
            rest = after.get(1..).unwrap_or_default();
        }
        self.output.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::LIMITS;
    use super::super::xml::Document;
    use super::*;

    fn canonical(xml: &str, path: &[usize], prefixes: &[&str], with_comments: bool) -> String {
        let document = Document::parse(xml.as_bytes(), LIMITS).unwrap();
        let apex = path.iter().fold(document.root(), |at, nth| at.elements().nth(*nth).unwrap());
        let method = Method { with_comments, inclusive: prefixes.iter().copied().collect() };
        String::from_utf8(canonicalize(apex, None, &method)).unwrap()
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
