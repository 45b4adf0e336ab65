//! Exclusive XML Canonicalization 1.0 of one element
//! (<https://www.w3.org/TR/xml-exc-c14n/>, after <https://www.w3.org/TR/xml-c14n>).

use std::ops::Range;

use aws_lc_rs::digest::{Algorithm, Context, Digest};

use crate::xml::{Attribute, Child, Document, Element, Limits, PrefixId, UriId, head};

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
}

/// The digests of a canonical form, with the comments that the method keeps and without them: nothing
/// else differs between the two, so that one writing gives both.
pub(crate) struct Digests {
    pub(crate) whole: Digest,
    /// Where no comment was kept, both forms are the same.
    pub(crate) without_comments: Option<Digest>,
}

/// The most that a canonical form may hold. Exclusive canonicalization writes a namespace again at
/// every element that uses it and has no ancestor that did, so that one long URI at the root and
/// many short children make gigabytes of a document that is small. Of honest documents of the
/// largest size it makes less than twice as much, even where each value says its type
/// (`<AttributeValue xsi:type="xs:string">a</AttributeValue>` gets 54 bytes for the namespace of `xsi`);
/// and what is written and hashed is what hostile ones cost.
pub(crate) const LONGEST: usize = 3 * Limits::RESPONSE.bytes;

/// How much of a canonical form is written before it is digested: little enough to stay in the
/// processor's caches.
const BATCH: usize = 16_384;

/// Digests the canonical form of `apex` with all that is in it, except the subtree of `omitted`;
/// `None` when it is longer than [`LONGEST`].
pub(crate) fn digests(
    apex: Element<'_>,
    omitted: Option<Element<'_>>,
    method: &Method,
    algorithm: &'static Algorithm,
) -> Option<Digests> {
    Writer::written(apex, omitted, method, algorithm, BATCH).map(Writer::finish)
}

/// The canonical form itself, and where comments are in it.
#[cfg(any(test, fuzzing))]
fn canonical_form(apex: Element<'_>, method: &Method) -> Option<(Vec<u8>, Vec<Range<usize>>)> {
    let algorithm = &aws_lc_rs::digest::SHA256;
    let Writer { output, comments, .. } =
        Writer::written(apex, None, method, algorithm, usize::MAX)?;
    (output.len() <= LONGEST).then_some((output, comments))
}

/// The canonical form of a document, and the canonical form of that; for tests. Empty where the first
/// is no document.
#[cfg(any(test, fuzzing))]
pub fn canonical_form_twice(xml: &[u8], with_comments: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    let method = Method { with_comments, ..Method::default() };
    let once = Document::parse(xml, Limits::RESPONSE).ok()?;
    let (once, _) = canonical_form(once.root(), &method)?;
    // It may have grown beyond what is read: elements declare the prefixes of their attributes themselves.
    let limits = Limits { bytes: LONGEST, attributes: usize::MAX, ..Limits::RESPONSE };
    let again = Document::parse(&once, limits).ok();
    let twice = again.and_then(|again| canonical_form(again.root(), &method));
    Some((once, twice.map(|(twice, _)| twice).unwrap_or_default()))
}

struct Writer<'w> {
    document: &'w Document,
    method: &'w Method,
    omitted: Option<Element<'w>>,
    /// For each prefix the namespace that it has in the output so far.
    rendered: Vec<UriId>,
    /// What the open elements changed about that: a prefix, its namespace, and the one before.
    changed: Vec<(PrefixId, UriId, UriId)>,
    /// For each URI whether it was written and nothing in it escaped: it may be long, and be
    /// written at each of thousands of elements.
    plain: Vec<bool>,
    /// Room for one element's attributes, and for their order.
    attributes: Vec<Attribute<'w>>,
    order: Vec<(u32, u64, usize)>,
    /// What is not digested yet.
    output: Vec<u8>,
    /// Where comments are in it, in order; of those that follow one another, all as one.
    comments: Vec<Range<usize>>,
    /// How long the output grows before it is digested.
    batch: usize,
    /// How much was digested.
    digested: usize,
    whole: Context,
    /// Without comments, from the first on.
    without_comments: Option<Context>,
}

impl<'w> Writer<'w> {
    /// With the whole form written, of which the end is not digested; `None` when it is too long.
    fn written(
        apex: Element<'w>,
        omitted: Option<Element<'w>>,
        method: &'w Method,
        algorithm: &'static Algorithm,
        batch: usize,
    ) -> Option<Self> {
        let inherited = match method.inclusive.is_empty() {
            true => Vec::new(),
            false => apex.in_scope(),
        };
        let document = apex.document();
        let mut writer = Self {
            document,
            method,
            omitted,
            rendered: vec![UriId::NONE; document.prefixes()],
            plain: vec![false; document.uris()],
            changed: Vec::new(),
            attributes: Vec::new(),
            order: Vec::new(),
            output: Vec::with_capacity(2 * BATCH),
            comments: Vec::new(),
            batch,
            digested: 0,
            whole: Context::new(algorithm),
            without_comments: None,
        };
        writer.element(apex, method.listed(inherited));
        (writer.length() <= LONGEST).then_some(writer)
    }

    fn length(&self) -> usize {
        self.digested + self.output.len()
    }

    fn digest(&mut self) {
        if !self.comments.is_empty() {
            self.without_comments.get_or_insert_with(|| self.whole.clone());
        }
        if let Some(context) = &mut self.without_comments {
            let begins = std::iter::once(0).chain(self.comments.iter().map(|comment| comment.end));
            let comments = self.comments.iter().map(|comment| comment.start);
            let ends = comments.chain([self.output.len()]);
            for part in begins.zip(ends).filter_map(|(begin, end)| self.output.get(begin..end)) {
                context.update(part);
            }
        }
        self.whole.update(&self.output);
        self.digested += self.output.len();
        self.output.clear();
        self.comments.clear();
    }

    fn finish(mut self) -> Digests {
        self.digest();
        let without_comments = self.without_comments.map(Context::finish);
        Digests { whole: self.whole.finish(), without_comments }
    }

    /// `inclusive` are the listed namespaces that come into scope here. Recursion is as deep as the
    /// document, which the reader bounds.
    fn element(&mut self, element: Element<'w>, inclusive: Vec<(PrefixId, UriId)>) {
        // One element adds at most the document itself, escaped.
        if self.length() > LONGEST {
            return;
        }
        if self.output.len() >= self.batch {
            self.digest();
        }
        let document = self.document;
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        attributes.extend(element.attributes());
        // Visibly utilized: the element's prefix and those of its attributes.
        let utilized = attributes
            .iter()
            .filter(|attribute| attribute.prefix != PrefixId::NONE)
            .map(|attribute| (attribute.prefix, attribute.uri));
        let own = (element.prefix(), element.uri());
        let first = self.changed.len();
        for (prefix, uri) in inclusive.into_iter().chain(utilized).chain([own]) {
            let before = self.rendered(prefix);
            if prefix != PrefixId::XML && before != uri {
                self.changed.push((prefix, uri, before));
                self.set_rendered(prefix, uri);
            }
        }
        let new = self.changed.get_mut(first..).unwrap_or_default();
        new.sort_unstable_by_key(|(prefix, _, _)| document.prefix_text(*prefix));

        let name = element.name();
        self.output.push(b'<');
        self.write(name);
        for at in first..self.changed.len() {
            let Some((prefix, uri, _)) = self.changed.get(at).copied() else { break };
            self.write(if prefix == PrefixId::NONE { " xmlns" } else { " xmlns:" });
            self.write(document.prefix_text(prefix));
            self.write("=\"");
            self.write_uri(uri);
            self.write("\"");
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        // Beginnings as integers tell most names apart.
        order.extend(
            attributes
                .iter()
                .enumerate()
                .map(|(nth, attribute)| (document.rank(attribute.uri), head(attribute.local), nth)),
        );
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
        (self.attributes, self.order) = (attributes, order);

        for child in element.children() {
            match child {
                Child::Element(child) if self.omitted == Some(child) => {}
                Child::Element(child) => {
                    self.element(child, self.method.listed(child.declarations()));
                }
                Child::Text(text) => self.write_text(text),
                Child::Comment(comment) if self.method.with_comments => {
                    self.write_comment(comment);
                }
                Child::Comment(_) => {}
            }
        }

        self.write("</");
        self.write(name);
        self.output.push(b'>');
        while self.changed.len() > first
            && let Some((prefix, _, before)) = self.changed.pop()
        {
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

    fn write_comment(&mut self, comment: &str) {
        let start = self.output.len();
        self.write("<!--");
        self.write(comment);
        self.write("-->");
        let end = self.output.len();
        match self.comments.last_mut() {
            Some(before) if before.end == start => before.end = end,
            _ => self.comments.push(start..end),
        }
    }

    fn write_text(&mut self, text: &str) {
        self.write_escaped(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
    }

    /// An attribute's value, or the URI of a namespace declaration.
    fn write_value(&mut self, value: &str) {
        let special = |byte| matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r');
        self.write_escaped(value, special);
    }

    fn write_uri(&mut self, uri: UriId) {
        let text = self.document.uri_text(uri);
        if self.plain.get(uri.index()) == Some(&true) {
            return self.write(text);
        }
        let before = self.output.len();
        self.write_value(text);
        let is_plain = self.output.len() == before + text.len();
        if let Some(place) = self.plain.get_mut(uri.index()) {
            *place = is_plain;
        }
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    const LIMITS: Limits = Limits::RESPONSE;

    fn canonical(xml: &str, path: &[usize], prefixes: &[&str], with_comments: bool) -> String {
        let document = Document::parse(xml.as_bytes(), LIMITS).unwrap();
        let apex = path.iter().fold(document.root(), |at, nth| at.elements().nth(*nth).unwrap());
        let method = Method::new(&document, with_comments, prefixes.iter().copied());
        let (octets, comments) = canonical_form(apex, &method).unwrap();
        // Each of these documents also shows that one writing digests both forms, in any batches.
        let selected = Method::new(&document, false, prefixes.iter().copied());
        let (selected, none) = canonical_form(apex, &selected).unwrap();
        assert_eq!(none, []);
        for batch in [1, 10, 100] {
            let writer = Writer::written(apex, None, &method, &SHA256, batch).unwrap();
            let digests = writer.finish();
            assert_eq!(digests.whole.as_ref(), digest(&SHA256, &octets).as_ref());
            assert_eq!(digests.without_comments.is_some(), !comments.is_empty());
            let without_comments = digests.without_comments.unwrap_or(digests.whole);
            assert_eq!(without_comments.as_ref(), digest(&SHA256, &selected).as_ref());
        }
        String::from_utf8(octets).unwrap()
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
    fn comments_are_cut_out_wherever_they_stand() {
        for xml in [
            "<a><!--x--></a>",
            "<a><!--x--><!--y-->1<!----></a>",
            "<a><!--x--><b><!--y--></b><!--z-->1<!----><c/><!--<b>--></a>",
            "<a xmlns:p='u'><p:b p:c='&lt;!----&gt;'/>&lt;!----&gt;<!--&lt;--><![CDATA[<!--x-->]]></a>",
        ] {
            assert!(canonical(xml, &[], &[], true).contains("<!--"), "{xml}");
            assert!(!canonical(xml, &[], &[], false).contains("<!--"), "{xml}");
        }
    }

    #[test]
    fn honest_documents_of_the_largest_size_are_far_from_the_longest_form() {
        let root = "<r xmlns='urn:oasis:names:tc:SAML:2.0:assertion' \
                    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>";
        for value in [
            "<AttributeValue>&lt;NameID&gt;a&lt;/NameID&gt;</AttributeValue>",
            "<AttributeValue xsi:type=\"xs:string\">a</AttributeValue>",
            "<Attribute Name='a'/>",
        ] {
            let values = value.repeat((LIMITS.bytes - root.len() - 4) / value.len());
            let form = canonical(&format!("{root}{values}</r>"), &[], &[], false);
            assert!(form.len() < 2 * LIMITS.bytes, "{value}: {}", form.len());
        }
    }

    #[test]
    fn a_namespaces_uri_is_escaped_each_time_that_it_is_written() {
        // The name before it changes where in the output it begins.
        for name in ["a", "ab", "abc", "abcd", "abcde"] {
            let xml = format!(
                "<{name} xmlns='&quot;&quot;'><b xmlns='&amp;&lt;&#9;&gt;'/><c xmlns=''>\
                 <{name} xmlns='&quot;&quot;'/><b xmlns='&amp;&lt;&#9;&gt;'/></c></{name}>"
            );
            let (quotes, others) = ("&quot;&quot;", "&amp;&lt;&#x9;>");
            assert_eq!(
                canonical(&xml, &[], &[], false),
                format!(
                    "<{name} xmlns=\"{quotes}\"><b xmlns=\"{others}\"></b><c xmlns=\"\">\
                     <{name} xmlns=\"{quotes}\"></{name}><b xmlns=\"{others}\"></b></c></{name}>"
                )
            );
        }
    }

    #[test]
    fn xml_attributes_are_rendered_without_declaration() {
        assert_eq!(
            canonical("<a xml:lang='de'><b/></a>", &[], &["xml"], false),
            "<a xml:lang=\"de\"><b></b></a>"
        );
    }
}
