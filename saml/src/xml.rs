//! One strict, bounded tree.
//!
//! `quick-xml` finds the tags; everything that makes a document well-formed is decided here, so
//! that this file is the border between hostile bytes and everything that follows. What comes out
//! is one arena in document order: all text, already normalised, lies in one string, and nodes
//! point into it. There is one tree for verification and for reading, so what was signed and what
//! is read cannot differ.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::Event;

/// The namespace of `xml:` attributes, bound without declaration.
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

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

/// A place in the document's string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug)]
enum Node {
    Element(ElementNode),
    Text(Span),
    Comment(Span),
}

#[derive(Debug)]
struct ElementNode {
    /// `prefix:local` as written.
    name: Span,
    /// Length of the prefix, 0 without one.
    prefix: u32,
    namespace: Span,
    attributes: (u32, u32),
    declarations: (u32, u32),
    parent: Option<u32>,
    /// Index behind the last node of the subtree.
    end: u32,
}

#[derive(Debug)]
struct AttributeNode {
    name: Span,
    prefix: u32,
    namespace: Span,
    value: Span,
}

#[derive(Debug)]
struct Declaration {
    /// Empty for the default namespace.
    prefix: Span,
    /// Empty where the default namespace is undeclared.
    uri: Span,
}

/// A whole document, or a fragment that was decrypted out of one.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    nodes: Vec<Node>,
    attributes: Vec<AttributeNode>,
    declarations: Vec<Declaration>,
    root: u32,
    elements: usize,
    /// What is in scope around the root: nothing for a document, for a fragment its place's.
    context: Vec<(String, String)>,
}

impl Document {
    /// Reads a document.
    pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Self, XmlError> {
        Builder::new(limits, Vec::new(), 0, 0).build(bytes)
    }

    /// Reads what was decrypted as one element that stands in the place of `place`: with the
    /// namespaces in scope there, and bounded together with the document around it. An XML
    /// declaration is refused, IDs are unique over both.
    pub(crate) fn parse_in_place_of(
        bytes: &[u8],
        place: Element<'_>,
        limits: Limits,
    ) -> Result<Self, XmlError> {
        let context = place.in_scope();
        let depth = place.depth();
        let fragment =
            Builder::new(limits, context, depth.saturating_sub(1), place.document.elements)
                .build(bytes)?;
        if limits.unique_ids {
            check_ids(place.document.ids().chain(fragment.ids()))?;
        }
        Ok(fragment)
    }

    pub(crate) fn root(&self) -> Element<'_> {
        Element { document: self, index: self.root }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter_map(|attribute| {
            let is_id = match self.str(attribute.name) {
                "ID" | "Id" | "id" => true,
                _ => {
                    self.str(attribute.namespace) == XML_NAMESPACE
                        && self.local(attribute.name, attribute.prefix) == "id"
                }
            };
            is_id.then(|| self.str(attribute.value))
        })
    }

    /// Spans are only made by [`Builder`] over text that is never shortened, so they always hold.
    fn str(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn prefix(&self, name: Span, prefix: u32) -> &str {
        self.str(Span { start: name.start, end: name.start + prefix })
    }

    fn local(&self, name: Span, prefix: u32) -> &str {
        let colon = u32::from(prefix > 0);
        self.str(Span { start: name.start + prefix + colon, end: name.end })
    }
}

fn check_ids<'i>(ids: impl Iterator<Item = &'i str>) -> Result<(), XmlError> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(XmlError::IdRepeated { id: id.to_owned() });
        }
    }
    Ok(())
}

/// An element of a document, cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Element<'d> {
    document: &'d Document,
    index: u32,
}

/// A child.
#[derive(Clone, Copy)]
pub(crate) enum Child<'d> {
    Element(Element<'d>),
    Text(&'d str),
    Comment(&'d str),
}

/// An attribute; namespace declarations are not among them.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'d> {
    pub(crate) namespace: &'d str,
    pub(crate) local: &'d str,
    /// `prefix:local` as written.
    pub(crate) name: &'d str,
    pub(crate) prefix: &'d str,
    pub(crate) value: &'d str,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl<'d> Element<'d> {
    fn node(self) -> Option<&'d ElementNode> {
        match self.document.nodes.get(self.index as usize) {
            Some(Node::Element(node)) => Some(node),
            _ => None,
        }
    }

    /// Whether this is the element of that namespace and local name. Prefixes never decide.
    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.local() == local && self.namespace() == namespace
    }

    pub(crate) fn namespace(self) -> &'d str {
        self.node().map_or("", |node| self.document.str(node.namespace))
    }

    pub(crate) fn local(self) -> &'d str {
        self.node().map_or("", |node| self.document.local(node.name, node.prefix))
    }

    pub(crate) fn prefix(self) -> &'d str {
        self.node().map_or("", |node| self.document.prefix(node.name, node.prefix))
    }

    /// `prefix:local` as written.
    pub(crate) fn name(self) -> &'d str {
        self.node().map_or("", |node| self.document.str(node.name))
    }

    pub(crate) fn parent(self) -> Option<Element<'d>> {
        let index = self.node()?.parent?;
        Some(Element { document: self.document, index })
    }

    /// The value of the attribute of that name in no namespace.
    pub(crate) fn attribute(self, local: &str) -> Option<&'d str> {
        self.attributes()
            .find(|attribute| attribute.namespace.is_empty() && attribute.local == local)
            .map(|attribute| attribute.value)
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        let document = self.document;
        let (start, end) = self.node().map_or((0, 0), |node| node.attributes);
        document.attributes.get(start as usize..end as usize).unwrap_or_default().iter().map(
            move |attribute| Attribute {
                namespace: document.str(attribute.namespace),
                local: document.local(attribute.name, attribute.prefix),
                name: document.str(attribute.name),
                prefix: document.prefix(attribute.name, attribute.prefix),
                value: document.str(attribute.value),
            },
        )
    }

    /// Namespace declarations on this element, as (prefix, URI).
    pub(crate) fn declarations(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let document = self.document;
        let (start, end) = self.node().map_or((0, 0), |node| node.declarations);
        document.declarations.get(start as usize..end as usize).unwrap_or_default().iter().map(
            move |declaration| (document.str(declaration.prefix), document.str(declaration.uri)),
        )
    }

    /// Everything in scope here, as (prefix, URI), each prefix once; an undeclared default
    /// namespace is absent.
    pub(crate) fn in_scope(self) -> Vec<(String, String)> {
        let mut scope: HashMap<&str, &str> = HashMap::new();
        let mut at = Some(self);
        while let Some(element) = at {
            for (prefix, uri) in element.declarations() {
                scope.entry(prefix).or_insert(uri);
            }
            at = element.parent();
        }
        for (prefix, uri) in &self.document.context {
            scope.entry(prefix).or_insert(uri);
        }
        scope
            .into_iter()
            .filter(|(_, uri)| !uri.is_empty())
            .map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned()))
            .collect()
    }

    /// 1 for the root.
    fn depth(self) -> usize {
        std::iter::successors(Some(self), |element| element.parent()).count()
    }

    pub(crate) fn children(self) -> impl Iterator<Item = Child<'d>> {
        let document = self.document;
        let end = self.node().map_or(0, |node| node.end);
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let index = next;
            let child = match document.nodes.get(index as usize)? {
                Node::Element(node) => {
                    next = node.end;
                    Child::Element(Element { document, index })
                }
                Node::Text(span) => {
                    next += 1;
                    Child::Text(document.str(*span))
                }
                Node::Comment(span) => {
                    next += 1;
                    Child::Comment(document.str(*span))
                }
            };
            Some(child)
        })
    }

    /// The element children.
    pub(crate) fn elements(self) -> impl Iterator<Item = Element<'d>> {
        self.children().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            _ => None,
        })
    }

    /// Every element below this one, in document order, and this one first.
    pub(crate) fn subtree(self) -> impl Iterator<Item = Element<'d>> {
        let document = self.document;
        let end = self.node().map_or(0, |node| node.end);
        (self.index..end).filter_map(move |index| match document.nodes.get(index as usize) {
            Some(Node::Element(_)) => Some(Element { document, index }),
            _ => None,
        })
    }

    /// The element children of that name.
    pub(crate) fn elements_named(
        self,
        namespace: &'static str,
        local: &'static str,
    ) -> impl Iterator<Item = Element<'d>> {
        self.elements().filter(move |element| element.is(namespace, local))
    }

    /// The only element child of that name: `Err` holds how many there are.
    pub(crate) fn only(
        self,
        namespace: &'static str,
        local: &'static str,
    ) -> Result<Element<'d>, usize> {
        let mut found = self.elements_named(namespace, local);
        match (found.next(), found.next()) {
            (Some(element), None) => Ok(element),
            (None, _) => Err(0),
            (Some(_), Some(_)) => Err(2 + found.count()),
        }
    }

    /// The whole text, across comments and CDATA sections; `None` where there is an element.
    pub(crate) fn text(self) -> Option<Cow<'d, str>> {
        let mut text = Cow::Borrowed("");
        for child in self.children() {
            match child {
                Child::Element(_) => return None,
                Child::Text(part) if text.is_empty() => text = Cow::Borrowed(part),
                Child::Text(part) => text.to_mut().push_str(part),
                Child::Comment(_) => {}
            }
        }
        Some(text)
    }

    /// Whether there is neither an element nor text other than white space.
    pub(crate) fn is_blank(self) -> bool {
        self.text().is_some_and(|text| text.bytes().all(is_space))
    }

    /// Whether the text between the element children is only white space.
    pub(crate) fn holds_elements_only(self) -> bool {
        self.children().all(|child| match child {
            Child::Text(text) => text.bytes().all(is_space),
            _ => true,
        })
    }
}

struct Builder {
    limits: Limits,
    /// Depth and elements of the document around a fragment.
    outer_depth: usize,
    outer_elements: usize,
    fragment: bool,
    document: Document,
    /// For each prefix the namespaces that it is bound to, innermost last.
    scope: HashMap<String, Vec<Span>>,
    open: Vec<u32>,
    closed_root: bool,
    /// Whether the last node is text that may grow.
    growing: bool,
}

const EMPTY: Span = Span { start: 0, end: 0 };

impl Builder {
    fn new(
        limits: Limits,
        context: Vec<(String, String)>,
        outer_depth: usize,
        outer_elements: usize,
    ) -> Self {
        let document = Document {
            text: String::new(),
            nodes: Vec::new(),
            attributes: Vec::new(),
            declarations: Vec::new(),
            root: 0,
            elements: 0,
            context,
        };
        Self {
            limits,
            outer_depth,
            outer_elements,
            fragment: outer_elements > 0,
            document,
            scope: HashMap::new(),
            open: Vec::new(),
            closed_root: false,
            growing: false,
        }
    }

    fn build(mut self, bytes: &[u8]) -> Result<Document, XmlError> {
        let source = self.admit(bytes)?;
        self.document.text.reserve(source.len() + XML_NAMESPACE.len());
        let xml = self.push(XML_NAMESPACE);
        self.scope.insert("xml".to_owned(), vec![xml]);
        for (prefix, uri) in self.document.context.clone() {
            let uri = self.push(&uri);
            self.scope.insert(prefix, vec![uri]);
        }

        let mut reader = Reader::from_str(source);
        reader.config_mut().check_end_names = false;
        loop {
            let position = reader.buffer_position();
            let event = reader.read_event().map_err(|_| XmlError::Malformed {
                position: reader.error_position(),
                what: "markup is not closed",
            })?;
            match event {
                Event::Start(tag) => {
                    self.start(tag.name().as_ref(), tag.attributes_raw(), position)?;
                }
                Event::Empty(tag) => {
                    self.start(tag.name().as_ref(), tag.attributes_raw(), position)?;
                    self.end(None, position)?;
                }
                Event::End(tag) => self.end(Some(tag.name().as_ref()), position)?,
                Event::Text(text) => self.text(&text, position)?,
                Event::CData(text) => self.cdata(&text, position)?,
                Event::GeneralRef(reference) => self.reference(&reference, position)?,
                Event::Comment(text) => self.comment(&text, position)?,
                Event::Decl(declaration) => self.declaration(&declaration, position)?,
                Event::DocType(_) => return Err(XmlError::Doctype),
                Event::PI(instruction) => {
                    if !self.limits.instructions || !is_instruction(&instruction) {
                        return Err(XmlError::ProcessingInstruction);
                    }
                    self.growing = false;
                }
                Event::Eof => break,
            }
        }
        if !self.closed_root || !self.open.is_empty() {
            let position = source.len() as u64;
            return Err(XmlError::Malformed { position, what: "an element is not closed" });
        }
        if self.limits.unique_ids {
            check_ids(self.document.ids())?;
        }
        Ok(self.document)
    }

    /// Size, encoding and characters (XML 1.0, production 2), once over the whole.
    fn admit<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, XmlError> {
        if bytes.len() > self.limits.bytes {
            return Err(XmlError::TooLarge { limit: self.limits.bytes, got: bytes.len() });
        }
        let source = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
        if source.starts_with('\u{feff}') {
            return Err(XmlError::NotUtf8);
        }
        let control = |byte: &u8| *byte < 0x20 && !is_space(*byte);
        // Without early exit the common case takes whole vectors at a time.
        let mut illegal = match bytes.iter().fold(false, |found, byte| found | control(byte)) {
            true => bytes.iter().position(control),
            false => None,
        };
        if illegal.is_none() && bytes.contains(&0xEF) {
            illegal = source.find(['\u{fffe}', '\u{ffff}']);
        }
        match illegal {
            Some(position) => Err(XmlError::Malformed {
                position: position as u64,
                what: "a character that XML does not allow",
            }),
            None => Ok(source),
        }
    }

    fn push(&mut self, part: &str) -> Span {
        let start = self.document.text.len() as u32;
        self.document.text.push_str(part);
        Span { start, end: self.document.text.len() as u32 }
    }

    fn declaration(&mut self, declaration: &str, position: u64) -> Result<(), XmlError> {
        let refused = || XmlError::Declaration { got: declaration.to_owned() };
        if position != 0 || self.fragment {
            return Err(refused());
        }
        let rest = declaration.strip_prefix("xml").ok_or_else(refused)?;
        let mut found = Vec::new();
        scan_attributes(rest, |name, value| {
            found.push((name, value));
            Ok(())
        })
        .map_err(|_| refused())?;
        let mut found = found.into_iter().peekable();
        let version = found.next().ok_or_else(refused)?;
        if version != ("version", "1.0") {
            return Err(refused());
        }
        if let Some((_, encoding)) = found.next_if(|(name, _)| *name == "encoding")
            && !encoding.eq_ignore_ascii_case("utf-8")
        {
            return Err(refused());
        }
        if let Some((_, standalone)) = found.next_if(|(name, _)| *name == "standalone")
            && !matches!(standalone, "yes" | "no")
        {
            return Err(refused());
        }
        match found.next() {
            None => Ok(()),
            Some(_) => Err(refused()),
        }
    }

    fn start(&mut self, name: &str, attributes: &str, position: u64) -> Result<(), XmlError> {
        if self.open.is_empty() && self.closed_root {
            return Err(XmlError::Malformed { position, what: "a second root element" });
        }
        if self.outer_depth + self.open.len() >= self.limits.depth {
            return Err(XmlError::TooDeep { limit: self.limits.depth });
        }
        self.document.elements += 1;
        if self.outer_elements + self.document.elements > self.limits.elements {
            return Err(XmlError::TooManyElements { limit: self.limits.elements });
        }

        let first_attribute = self.document.attributes.len();
        let first_declaration = self.document.declarations.len();
        let limit = self.limits.attributes;
        let mut count = 0;
        scan_attributes(attributes, |attribute, value| {
            count += 1;
            if count > limit {
                return Err(XmlError::TooManyAttributes { limit });
            }
            self.attribute(attribute, value, position)
        })
        .map_err(|error| match error {
            ScanError::Syntax(what) => XmlError::Malformed { position, what },
            ScanError::Taken(error) => error,
        })?;
        self.check_declarations(first_declaration, position)?;

        let prefix = check_name(name, position)?;
        let namespace = self.resolve(name.get(..prefix).unwrap_or_default(), position)?;
        let name = self.push(name);
        self.resolve_attributes(first_attribute, position)?;

        let index = self.document.nodes.len() as u32;
        let parent = self.open.last().copied();
        if parent.is_none() {
            self.document.root = index;
        }
        self.document.nodes.push(Node::Element(ElementNode {
            name,
            prefix: prefix as u32,
            namespace,
            attributes: (first_attribute as u32, self.document.attributes.len() as u32),
            declarations: (first_declaration as u32, self.document.declarations.len() as u32),
            parent,
            end: index + 1,
        }));
        self.open.push(index);
        self.growing = false;
        Ok(())
    }

    /// Keeps one attribute or namespace declaration, value normalised (XML 1.0, 3.3.3, CDATA).
    fn attribute(&mut self, name: &str, value: &str, position: u64) -> Result<(), XmlError> {
        let malformed = |what| XmlError::Malformed { position, what };
        let prefix = check_name(name, position)?;
        let name_span = self.push(name);
        let start = self.document.text.len() as u32;
        let mut rest = value;
        while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
            let (before, special) = rest.split_at(at);
            self.document.text.push_str(before);
            rest = if let Some(after) = special.strip_prefix('&') {
                let (reference, after) =
                    after.split_once(';').ok_or_else(|| malformed("a reference without `;`"))?;
                let character = character(reference)
                    .ok_or_else(|| malformed("an unknown entity or character reference"))?;
                self.document.text.push(character);
                after
            } else if special.starts_with('<') {
                return Err(malformed("`<` in an attribute value"));
            } else {
                self.document.text.push(' ');
                special.strip_prefix("\r\n").or_else(|| special.get(1..)).unwrap_or_default()
            };
        }
        self.document.text.push_str(rest);
        let value = Span { start, end: self.document.text.len() as u32 };

        let local = name.get(prefix + usize::from(prefix > 0)..).unwrap_or_default();
        if name == "xmlns" {
            self.document.declarations.push(Declaration { prefix: EMPTY, uri: value });
        } else if name.get(..prefix) == Some("xmlns") {
            let start = name_span.end - local.len() as u32;
            let prefix = Span { start, end: name_span.end };
            self.document.declarations.push(Declaration { prefix, uri: value });
        } else {
            self.document.attributes.push(AttributeNode {
                name: name_span,
                prefix: prefix as u32,
                namespace: EMPTY,
                value,
            });
        }
        Ok(())
    }

    /// Brings the declarations of the element that opens into scope.
    fn check_declarations(&mut self, first: usize, position: u64) -> Result<(), XmlError> {
        let refused = |what| XmlError::Namespace { position, what };
        let declarations = self.document.declarations.get(first..).unwrap_or_default();
        for (nth, Declaration { prefix, uri }) in declarations.iter().enumerate() {
            let (name, value) = (self.document.str(*prefix), self.document.str(*uri));
            let repeated = declarations
                .iter()
                .take(nth)
                .any(|earlier| self.document.str(earlier.prefix) == name);
            match name {
                _ if repeated => {
                    let what = "a namespace declaration twice on one element";
                    return Err(XmlError::Malformed { position, what });
                }
                "xmlns" => return Err(refused("the prefix `xmlns` is declared")),
                "xml" if value != XML_NAMESPACE => {
                    return Err(refused("the prefix `xml` is bound to another namespace"));
                }
                "xml" => {}
                _ if value == XML_NAMESPACE => {
                    return Err(refused("another prefix is bound to the namespace of `xml`"));
                }
                _ if value == XMLNS_NAMESPACE => {
                    return Err(refused("a prefix is bound to the namespace of `xmlns`"));
                }
                "" => {}
                _ if value.is_empty() => return Err(refused("a prefix is undeclared")),
                _ => {}
            }
            match self.scope.get_mut(name) {
                Some(bound) => bound.push(*uri),
                None => {
                    self.scope.insert(name.to_owned(), vec![*uri]);
                }
            }
        }
        Ok(())
    }

    fn resolve(&self, prefix: &str, position: u64) -> Result<Span, XmlError> {
        match self.scope.get(prefix).and_then(|bound| bound.last()) {
            Some(uri) => Ok(*uri),
            None if prefix.is_empty() => Ok(EMPTY),
            None => Err(XmlError::Namespace { position, what: "a prefix is not declared" }),
        }
    }

    /// Gives the attributes of the element that opens their namespaces; none may be there twice,
    /// by name or by expanded name. At most 64 of them, so comparing each with each is bounded.
    fn resolve_attributes(&mut self, first: usize, position: u64) -> Result<(), XmlError> {
        for at in first..self.document.attributes.len() {
            let Some(attribute) = self.document.attributes.get(at) else { break };
            if attribute.prefix == 0 {
                continue;
            }
            let prefix = self.document.prefix(attribute.name, attribute.prefix);
            let namespace = self.resolve(prefix, position)?;
            if let Some(attribute) = self.document.attributes.get_mut(at) {
                attribute.namespace = namespace;
            }
        }
        let document = &self.document;
        let attributes = document.attributes.get(first..).unwrap_or_default();
        for (nth, one) in attributes.iter().enumerate() {
            let local = document.local(one.name, one.prefix);
            for other in attributes.iter().take(nth) {
                if document.local(other.name, other.prefix) != local {
                    continue;
                }
                if document.str(other.name) == document.str(one.name) {
                    let what = "an attribute twice on one element";
                    return Err(XmlError::Malformed { position, what });
                }
                if document.str(other.namespace) == document.str(one.namespace) {
                    let what = "an attribute twice on one element, under two prefixes";
                    return Err(XmlError::Namespace { position, what });
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, name: Option<&str>, position: u64) -> Result<(), XmlError> {
        let malformed = |what| XmlError::Malformed { position, what };
        let index = self.open.pop().ok_or_else(|| malformed("an end tag without start tag"))?;
        let end = self.document.nodes.len() as u32;
        let Some(Node::Element(node)) = self.document.nodes.get_mut(index as usize) else {
            return Err(malformed("an end tag without start tag"));
        };
        node.end = end;
        let (written, (first, last)) = (node.name, node.declarations);
        if name.is_some_and(|name| name != self.document.str(written)) {
            return Err(malformed("an end tag that does not match its start tag"));
        }
        let document = &self.document;
        let closed = document.declarations.get(first as usize..last as usize).unwrap_or_default();
        for declaration in closed {
            if let Some(bound) = self.scope.get_mut(document.str(declaration.prefix)) {
                bound.pop();
            }
        }
        self.closed_root |= self.open.is_empty();
        self.growing = false;
        Ok(())
    }

    fn text(&mut self, text: &str, position: u64) -> Result<(), XmlError> {
        if text.contains("]]>") {
            return Err(XmlError::Malformed { position, what: "`]]>` in text" });
        }
        if self.open.is_empty() {
            return match text.bytes().all(is_space) {
                true => Ok(()),
                false => Err(XmlError::Malformed { position, what: "text outside the root" }),
            };
        }
        self.grow(text);
        Ok(())
    }

    fn cdata(&mut self, text: &str, position: u64) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return Err(XmlError::Malformed { position, what: "text outside the root" });
        }
        self.grow(text);
        Ok(())
    }

    fn reference(&mut self, reference: &str, position: u64) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return Err(XmlError::Malformed { position, what: "text outside the root" });
        }
        let what = "an unknown entity or character reference";
        let character = character(reference).ok_or(XmlError::Malformed { position, what })?;
        self.open_text();
        self.document.text.push(character);
        self.close_text();
        Ok(())
    }

    fn comment(&mut self, text: &str, position: u64) -> Result<(), XmlError> {
        if text.contains("--") || text.ends_with('-') {
            return Err(XmlError::Malformed { position, what: "`--` in a comment" });
        }
        self.growing = false;
        let start = self.document.text.len() as u32;
        self.push_lines(text);
        let end = self.document.text.len() as u32;
        self.document.nodes.push(Node::Comment(Span { start, end }));
        Ok(())
    }

    /// Adds to the text node at the end, or begins one. Empty parts leave no node.
    fn grow(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.open_text();
        self.push_lines(text);
        self.close_text();
    }

    fn open_text(&mut self) {
        if !self.growing {
            let start = self.document.text.len() as u32;
            self.document.nodes.push(Node::Text(Span { start, end: start }));
            self.growing = true;
        }
    }

    fn close_text(&mut self) {
        let end = self.document.text.len() as u32;
        if let Some(Node::Text(span)) = self.document.nodes.last_mut() {
            span.end = end;
        }
    }

    /// Line ends become `\n` (XML 1.0, 2.11).
    fn push_lines(&mut self, text: &str) {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\r') {
            self.document.text.push_str(line);
            self.document.text.push('\n');
            rest = after.strip_prefix('\n').unwrap_or(after);
        }
        self.document.text.push_str(rest);
    }
}

enum ScanError {
    Syntax(&'static str),
    Taken(XmlError),
}

/// Gives each `name="value"` of a start tag, exactly as XML 1.0 writes them: white space before
/// each, either quote, nothing else.
fn scan_attributes<'s>(
    raw: &'s str,
    mut take: impl FnMut(&'s str, &'s str) -> Result<(), XmlError>,
) -> Result<(), ScanError> {
    let space = |character: char| character.is_ascii() && is_space(character as u8);
    let mut rest = raw;
    loop {
        let trimmed = rest.trim_start_matches(space);
        if trimmed.is_empty() {
            return Ok(());
        }
        if trimmed.len() == rest.len() {
            return Err(ScanError::Syntax("no white space before an attribute"));
        }
        let (name, value) =
            trimmed.split_once('=').ok_or(ScanError::Syntax("an attribute without value"))?;
        let name = name.trim_end_matches(space);
        let value = value.trim_start_matches(space);
        let quote = match value.as_bytes().first() {
            Some(b'"') => '"',
            Some(b'\'') => '\'',
            _ => return Err(ScanError::Syntax("an attribute value without quotes")),
        };
        let (value, after) = value
            .get(1..)
            .and_then(|value| value.split_once(quote))
            .ok_or(ScanError::Syntax("an attribute value that is not closed"))?;
        take(name, value).map_err(ScanError::Taken)?;
        rest = after;
    }
}

/// What `&…;` stands for: the five predefined entities and character references, no others.
fn character(reference: &str) -> Option<char> {
    let code = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => reference.strip_prefix('#')?,
    };
    let (digits, radix) = match code.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (code, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    let legal = matches!(character, '\t' | '\n' | '\r')
        || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'));
    legal.then_some(character)
}

/// Checks a qualified name; gives the length of its prefix.
fn check_name(name: &str, position: u64) -> Result<usize, XmlError> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let starts_with_colon = name.starts_with(':');
    let nc = |part: &str| {
        let mut characters = part.chars();
        characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
    };
    if local.contains(':') || starts_with_colon || (local.is_empty() && !prefix.is_empty()) {
        return Err(XmlError::Namespace { position, what: "a colon in a wrong place" });
    }
    if !nc(local) || !(prefix.is_empty() || nc(prefix)) {
        return Err(XmlError::Malformed { position, what: "not a name" });
    }
    Ok(prefix.len())
}

/// XML 1.0, production 4, without the colon.
fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0, production 4a, without the colon.
fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether a processing instruction has a target that XML allows.
fn is_instruction(instruction: &str) -> bool {
    let target =
        instruction.split(|character: char| character.is_ascii() && is_space(character as u8));
    target
        .into_iter()
        .next()
        .is_some_and(|target| !target.eq_ignore_ascii_case("xml") && check_name(target, 0) == Ok(0))
}

/// XML's white space (production 3).
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
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
