//! Exclusive XML Canonicalization 1.0 of one element
//! (<https://www.w3.org/TR/xml-exc-c14n/>, after <https://www.w3.org/TR/xml-c14n>).

use crate::xml::{Attribute, Child, Document, Element, Limits, PrefixId, UriId};

/// What may differ between two canonicalizations of elements of one document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Method {
    pub(crate) with_comments: bool,
    /// For each prefix of the document whether it is treated as inclusive canonicalization does;
    /// empty where none is.
    inclusive: Vec<bool>,
}

impl Method {
    /// With these prefixes treated inclusively; `""` is the default namespace. Those that the
    /// document does not have change nothing.
    pub(crate) fn new<'p>(
        document: &Document,
        with_comments: bool,
        inclusive: impl Iterator<Item = &'p str>,
    ) -> Self {
        let mut listed = Vec::new();
        for prefix in inclusive.filter_map(|prefix| document.known_prefix(prefix)) {
            listed.resize(document.prefixes(), false);
            if let Some(place) = listed.get_mut(prefix.index()) {
                *place = true;
            }
        }
        Self { with_comments, inclusive: listed }
    }

    /// Those of the namespaces whose prefix is in the list.
    fn listed(
        &self,
        namespaces: impl IntoIterator<Item = (PrefixId, UriId)>,
    ) -> Vec<(PrefixId, UriId)> {
        let is_listed = |prefix: PrefixId| self.inclusive.get(prefix.index()) == Some(&true);
        match self.inclusive.is_empty() {
            true => Vec::new(),
            false => namespaces.into_iter().filter(|(prefix, _)| is_listed(*prefix)).collect(),
        }
    }

    /// The same without comments.
    pub(crate) fn without_comments(&self) -> Self {
        Self { with_comments: false, ..self.clone() }
    }
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
    method: &Method,
) -> Option<Vec<u8>> {
    let inherited = match method.inclusive.is_empty() {
        true => Vec::new(),
        false => apex.in_scope(),
    };
    let document = apex.document();
    let rendered = vec![UriId::NONE; document.prefixes()];
    let output = Vec::with_capacity(4096);
    let mut writer = Writer { document, method, omitted, rendered, output };
    writer.element(apex, method.listed(inherited));
    (writer.output.len() <= LONGEST).then_some(writer.output)
}

/// The canonical form of a document, and the canonical form of that; for tests. Empty where the first
/// is no document.
#[cfg(any(test, fuzzing))]
pub fn canonical_form_twice(xml: &[u8], with_comments: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    let method = Method { with_comments, ..Method::default() };
    let once = canonicalize(Document::parse(xml, Limits::RESPONSE).ok()?.root(), None, &method)?;
    // It may have grown beyond what is read.
    let limits = Limits { bytes: LONGEST, ..Limits::RESPONSE };
    let again = Document::parse(&once, limits).ok();
    let twice = again.and_then(|again| canonicalize(again.root(), None, &method));
    Some((once, twice.unwrap_or_default()))
}

struct Writer<'w> {
    document: &'w Document,
    method: &'w Method,
    omitted: Option<Element<'w>>,
    /// For each prefix the namespace that it has in the output so far.
    rendered: Vec<UriId>,
    output: Vec<u8>,
}

impl<'w> Writer<'w> {
    /// `inclusive` are the listed namespaces that come into scope here. Recursion is as deep as the
    /// document, which the reader bounds.
    fn element(&mut self, element: Element<'w>, inclusive: Vec<(PrefixId, UriId)>) {
        // One element adds at most the document itself, escaped.
        if self.output.len() > LONGEST {
            return;
        }
        // Visibly utilized: the element's prefix and those of its attributes.
        let attributes: Vec<Attribute<'w>> = element.attributes().collect();
        let utilized = attributes
            .iter()
            .filter(|attribute| attribute.prefix != PrefixId::NONE)
            .map(|attribute| (attribute.prefix, attribute.uri));
        let own = (element.prefix(), element.uri());
        let mut new: Vec<_> = Vec::new();
        for (prefix, uri) in inclusive.into_iter().chain(utilized).chain([own]) {
            let before = self.rendered(prefix);
            if prefix != PrefixId::XML && before != uri {
                new.push((prefix, uri, before));
                self.set_rendered(prefix, uri);
            }
        }
        let document = self.document;
        new.sort_unstable_by_key(|(prefix, _, _)| document.prefix_text(*prefix));

        let name = element.name();
        self.output.push(b'<');
        self.write(name);
        for (prefix, uri, _) in &new {
            self.write(if *prefix == PrefixId::NONE { " xmlns" } else { " xmlns:" });
            self.write(document.prefix_text(*prefix));
            self.write("=\"");
            self.write_value(document.uri_text(*uri));
            self.write("\"");
        }
        // Beginnings as integers tell most names apart.
        let mut order: Vec<(u32, u64, usize)> = attributes
            .iter()
            .enumerate()
            .map(|(nth, attribute)| (document.rank(attribute.uri), head(attribute.local), nth))
            .collect();
        if order.len() > 1 {
            let local = |nth: usize| attributes.get(nth).map(|attribute| attribute.local);
            order.sort_unstable_by(|one, other| {
                (one.0, one.1)
                    .cmp(&(other.0, other.1))
                    .then_with(|| local(one.2).cmp(&local(other.2)))
            });
        }
        for attribute in order.iter().filter_map(|(_, _, nth)| attributes.get(*nth)) {
            self.output.push(b' ');
            self.write(attribute.name);
            self.write("=\"");
            self.write_value(attribute.value);
            self.output.push(b'"');
        }
        self.output.push(b'>');

        for child in element.children() {
            match child {
                Child::Element(child) if self.omitted == Some(child) => {}
                Child::Element(child) => {
                    self.element(child, self.method.listed(child.declarations()));
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
        self.write(name);
        self.output.push(b'>');
        for (prefix, _, before) in new {
            self.set_rendered(prefix, before);
        }
    }

    /// The namespace that a prefix has in the output so far.
    fn rendered(&self, prefix: PrefixId) -> UriId {
        self.rendered.get(prefix.index()).copied().unwrap_or(UriId::NONE)
    }

    fn set_rendered(&mut self, prefix: PrefixId, uri: UriId) {
        if let Some(place) = self.rendered.get_mut(prefix.index()) {
            *place = uri;
        }
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
        loop {
            let plain = rest.iter().take_while(|byte| !special(**byte)).count();
            let (before, from) = rest.split_at(plain);
            self.output.extend_from_slice(before);
            // Many of them may follow one another.
            let escaped = from.iter().take_while(|byte| special(**byte)).count();
            let (escaped, after) = from.split_at(escaped);
            if escaped.is_empty() {
                return;
            }
            self.output.reserve(6 * escaped.len());
            for byte in escaped {
                match byte {
                    b'&' => self.output.extend_from_slice(b"&amp;"),
                    b'<' => self.output.extend_from_slice(b"&lt;"),
                    b'>' => self.output.extend_from_slice(b"&gt;"),
                    b'"' => self.output.extend_from_slice(b"&quot;"),
                    b'\t' => self.output.extend_from_slice(b"&#x9;"),
                    b'\n' => self.output.extend_from_slice(b"&#xA;"),
                    _ => self.output.extend_from_slice(b"&#xD;"),
                }
            }
            rest = after;
        }
    }
}

/// The first eight bytes of a name as an integer, in their order: no name holds a zero byte.
fn head(name: &str) -> u64 {
    let name = name.as_bytes();
    match name.first_chunk::<8>() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let folded = name.iter().fold(0, |folded: u64, byte| folded << 8 | u64::from(*byte));
            folded.checked_shl(8 * (8 - name.len() as u32)).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::RESPONSE;

    fn canonical(xml: &str, path: &[usize], prefixes: &[&str], with_comments: bool) -> String {
        let document = Document::parse(xml.as_bytes(), LIMITS).unwrap();
        let apex = path.iter().fold(document.root(), |at, nth| at.elements().nth(*nth).unwrap());
        let method = Method::new(&document, with_comments, prefixes.iter().copied());
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
    fn names_are_sorted_by_all_their_bytes() {
        assert_eq!(
            canonical(
                "<r abcdefghb='' b='' abcdefgha='' abcdefgh='' ab='' a='' ä=''/>",
                &[],
                &[],
                false
            ),
            "<r a=\"\" ab=\"\" abcdefgh=\"\" abcdefgha=\"\" abcdefghb=\"\" b=\"\" ä=\"\"></r>"
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
