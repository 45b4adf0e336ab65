//! Bytes in, a tree out, or the first thing that is wrong with them.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::interner::Interner;
use super::lexical::{
    ScanError, character, check_name, find_byte, is_instruction, is_space, scan_attributes,
};
use super::tree::{
    AttributeNode, Declaration, Document, Element, ElementNode, Name, Node, PrefixId, Span, UriId,
    XML_NAMESPACE,
};
use super::{Limits, XmlError};

const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

impl Document {
    /// Reads a document.
    pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Self, XmlError> {
        Builder::new(limits, 0, 0).build(bytes)
    }

    /// Reads what was decrypted as one element that stands in the place of `place`: with the
    /// namespaces in scope there, and bounded together with the document around it. An XML
    /// declaration is refused, IDs are unique over both.
    pub(crate) fn parse_in_place_of(
        bytes: &[u8],
        place: Element<'_>,
        limits: Limits,
    ) -> Result<Self, XmlError> {
        let depth = place.depth().saturating_sub(1);
        let mut builder = Builder::new(limits, depth, place.document.elements.len());
        for (prefix, uri) in place.in_scope() {
            builder.bind(place.document.prefix_text(prefix), place.document.uri_text(uri));
        }
        let fragment = builder.build(bytes)?;
        if limits.unique_ids {
            check_ids(place.document.ids().chain(fragment.ids()))?;
        }
        Ok(fragment)
    }
}

/// None may come twice.
fn check_ids<'i>(ids: impl Iterator<Item = &'i str>) -> Result<(), XmlError> {
    let mut seen = Interner::default();
    for (nth, id) in ids.enumerate() {
        if seen.id(id) as usize != nth {
            return Err(XmlError::IdRepeated { id: id.to_owned() });
        }
    }
    Ok(())
}

struct Builder {
    limits: Limits,
    /// Depth and elements of the document around a fragment.
    outer_depth: usize,
    outer_elements: usize,
    fragment: bool,
    document: Document,
    /// For each prefix what is known about it here.
    scope: Vec<Bound>,
    /// What was bound before each declaration that is in scope, to be bound again when it ends.
    shadowed: Vec<Option<UriId>>,
    /// The prefix of the last name: mostly that of the next one, too.
    last_prefix: PrefixId,
    open: Vec<u32>,
    closed_root: bool,
    /// Whether the last node is text that may grow.
    growing: bool,
    /// Room for those of one element's attributes.
    glances: Vec<u64>,
}

/// A prefix, at the place that is read.
#[derive(Clone, Copy, Default)]
struct Bound {
    uri: Option<UriId>,
    /// The element, counted from 1, that declared it last.
    declared_by: u32,
}

const EMPTY: Span = Span { start: 0, end: 0 };

impl Builder {
    fn new(limits: Limits, outer_depth: usize, outer_elements: usize) -> Self {
        let mut builder = Self {
            limits,
            outer_depth,
            outer_elements,
            fragment: outer_elements > 0,
            document: Document::empty(),
            scope: Vec::new(),
            shadowed: Vec::new(),
            last_prefix: PrefixId::NONE,
            open: Vec::new(),
            closed_root: false,
            growing: false,
            glances: Vec::new(),
        };
        for (prefix, uri) in [(PrefixId::NONE, UriId::NONE), (PrefixId::XML, UriId::XML)] {
            builder.set_bound(prefix, Bound { uri: Some(uri), declared_by: 0 });
        }
        builder
    }

    /// Brings a namespace of the document around a fragment into scope.
    fn bind(&mut self, prefix: &str, uri: &str) {
        let prefix = self.prefix(prefix);
        let uri = UriId(self.document.uris.id(uri));
        self.set_bound(prefix, Bound { uri: Some(uri), declared_by: 0 });
        self.document.context.push(Declaration { prefix, uri });
    }

    fn prefix(&mut self, text: &str) -> PrefixId {
        if self.document.prefix_text(self.last_prefix) != text {
            self.last_prefix = PrefixId(self.document.prefixes.id(text));
        }
        self.last_prefix
    }

    fn bound(&self, prefix: PrefixId) -> Bound {
        self.scope.get(prefix.0 as usize).copied().unwrap_or_default()
    }

    fn set_bound(&mut self, prefix: PrefixId, bound: Bound) {
        let at = prefix.0 as usize;
        if self.scope.len() <= at {
            self.scope.resize(at + 1, Bound::default());
        }
        if let Some(place) = self.scope.get_mut(at) {
            *place = bound;
        }
    }

    fn build(mut self, bytes: &[u8]) -> Result<Document, XmlError> {
        let source = self.admit(bytes)?;
        self.document.text.reserve(source.len());
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
        self.document.uris.rank(&mut self.document.ranks);
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
        if self.outer_elements + self.document.elements.len() >= self.limits.elements {
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

        let local = check_name(name, position)?;
        let name = self.name(name, local);
        let uri = self.resolve(name.prefix, position)?;
        self.resolve_attributes(first_attribute, position)?;

        let index = self.document.elements.len() as u32;
        self.document.nodes.push(Node::Element(index));
        let first_node = self.document.nodes.len() as u32;
        self.document.elements.push(ElementNode {
            name,
            uri,
            attributes: (first_attribute as u32, self.document.attributes.len() as u32),
            declarations: (first_declaration as u32, self.document.declarations.len() as u32),
            parent: self.open.last().copied(),
            // Both ends are known when it closes.
            nodes: (first_node, first_node),
            end: index,
        });
        self.open.push(index);
        self.growing = false;
        Ok(())
    }

    /// Keeps a name that was checked, whose local part begins at `local`.
    fn name(&mut self, name: &str, local: usize) -> Name {
        let prefix = match local {
            0 => PrefixId::NONE,
            _ => self.prefix(name.get(..local - 1).unwrap_or_default()),
        };
        let whole = self.push(name);
        Name { whole, local: whole.start + local as u32, prefix }
    }

    /// Keeps one attribute or namespace declaration, value normalised (XML 1.0, 3.3.3, CDATA).
    fn attribute(&mut self, name: &str, value: &str, position: u64) -> Result<(), XmlError> {
        let malformed = |what| XmlError::Malformed { position, what };
        let local = check_name(name, position)?;
        let declared = match (name, local) {
            ("xmlns", _) => Some(""),
            (_, 6) if name.starts_with("xmlns:") => name.get(6..),
            _ => None,
        };
        let name = match declared {
            Some(_) => Name { whole: EMPTY, local: 0, prefix: PrefixId::NONE },
            None => self.name(name, local),
        };
        let start = self.document.text.len() as u32;
        let mut rest = value;
        while let Some(at) =
            find_byte(rest, |byte| matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r'))
        {
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
        match declared {
            Some(prefix) => self.declare(prefix, value, position),
            None => {
                let uri = UriId::NONE;
                self.document.attributes.push(AttributeNode { name, uri, value });
                Ok(())
            }
        }
    }

    /// Brings a declaration of the element that opens into scope.
    fn declare(&mut self, prefix: &str, value: Span, position: u64) -> Result<(), XmlError> {
        let refused = |what| Err(XmlError::Namespace { position, what });
        let id = self.prefix(prefix);
        let before = self.bound(id);
        let declared_by = self.document.elements.len() as u32 + 1;
        if before.declared_by == declared_by {
            let what = "a namespace declaration twice on one element";
            return Err(XmlError::Malformed { position, what });
        }
        let uri = self.document.text.get(value.start as usize..).unwrap_or_default();
        match prefix {
            "xmlns" => return refused("the prefix `xmlns` is declared"),
            "xml" if uri != XML_NAMESPACE => {
                return refused("the prefix `xml` is bound to another namespace");
            }
            "xml" => {}
            _ if uri == XML_NAMESPACE => {
                return refused("another prefix is bound to the namespace of `xml`");
            }
            _ if uri == XMLNS_NAMESPACE => {
                return refused("a prefix is bound to the namespace of `xmlns`");
            }
            "" => {}
            _ if uri.is_empty() => return refused("a prefix is undeclared"),
            _ => {}
        }
        let uri = UriId(self.document.uris.id(uri));
        self.set_bound(id, Bound { uri: Some(uri), declared_by });
        self.shadowed.push(before.uri);
        self.document.declarations.push(Declaration { prefix: id, uri });
        Ok(())
    }

    fn resolve(&self, prefix: PrefixId, position: u64) -> Result<UriId, XmlError> {
        let undeclared = XmlError::Namespace { position, what: "a prefix is not declared" };
        self.bound(prefix).uri.ok_or(undeclared)
    }

    /// Gives the attributes of the element that opens their namespaces; none may be there twice,
    /// by name or by expanded name.
    fn resolve_attributes(&mut self, first: usize, position: u64) -> Result<(), XmlError> {
        let are_several = self.document.attributes.len() > first + 1;
        for at in first..self.document.attributes.len() {
            let prefix = self.document.attributes.get(at).map(|attribute| attribute.name.prefix);
            let Some(prefix) = prefix.filter(|prefix| *prefix != PrefixId::NONE) else { continue };
            let uri = self.resolve(prefix, position)?;
            if let Some(attribute) = self.document.attributes.get_mut(at) {
                attribute.uri = uri;
            }
            if are_several {
                self.document.will_compare(uri);
            }
        }
        let document = &self.document;
        let attributes = document.attributes.get(first..).unwrap_or_default();
        if attributes.len() < 2 {
            return Ok(());
        }
        let local = |attribute: &AttributeNode| document.local(attribute.name).as_bytes();
        if let [one, other] = attributes
            && one.uri != other.uri
        {
            return Ok(());
        }
        // At most 64 of them, so comparing each with each is bounded; glances tell most apart.
        let mut glances = std::mem::take(&mut self.glances);
        glances.clear();
        for one in attributes {
            let glance = glance(local(one));
            let alike = attributes.iter().zip(&glances).filter(|(_, seen)| **seen == glance);
            for (other, _) in alike {
                if one.uri != other.uri || local(one) != local(other) {
                    continue;
                }
                if one.name.prefix == other.name.prefix {
                    let what = "an attribute twice on one element";
                    return Err(XmlError::Malformed { position, what });
                }
                let what = "an attribute twice on one element, under two prefixes";
                return Err(XmlError::Namespace { position, what });
            }
            glances.push(glance);
        }
        self.glances = glances;
        Ok(())
    }

    fn end(&mut self, name: Option<&str>, position: u64) -> Result<(), XmlError> {
        let malformed = |what| XmlError::Malformed { position, what };
        let index = self.open.pop().ok_or_else(|| malformed("an end tag without start tag"))?;
        let end = self.document.elements.len() as u32;
        let Some(node) = self.document.elements.get_mut(index as usize) else {
            return Err(malformed("an end tag without start tag"));
        };
        node.nodes.1 = self.document.nodes.len() as u32;
        node.end = end;
        let (written, (first, last)) = (node.name.whole, node.declarations);
        if name.is_some_and(|name| name != self.document.str(written)) {
            return Err(malformed("an end tag that does not match its start tag"));
        }
        for at in (first..last).rev() {
            let declaration = self.document.declarations.get(at as usize).copied();
            if let (Some(declaration), Some(uri)) = (declaration, self.shadowed.pop()) {
                self.set_bound(declaration.prefix, Bound { uri, declared_by: 0 });
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

/// Length, beginning and end of a name in one integer: equal names have equal ones.
fn glance(name: &[u8]) -> u64 {
    let fold =
        |part: &[u8]| part.iter().fold(0, |folded: u64, byte| folded << 8 | u64::from(*byte));
    let head = name.get(..8).unwrap_or(name);
    let tail = name.get(name.len().saturating_sub(8)..).unwrap_or_default();
    fold(head) ^ fold(tail).rotate_left(29) ^ (name.len() as u64).rotate_left(53)
}
