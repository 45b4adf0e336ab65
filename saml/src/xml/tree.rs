//! The tree that a document is: an arena that nodes point into.

use std::borrow::Cow;

use super::interner::Interner;
use super::lexical::is_space;

/// The namespace of `xml:` attributes, bound without declaration.
pub(super) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// A prefix of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrefixId(pub(super) u32);

impl PrefixId {
    /// No prefix.
    pub(crate) const NONE: Self = Self(0);
    /// `xml`, which is never declared anew.
    pub(crate) const XML: Self = Self(1);

    /// Its place in a list of all prefixes of the document.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A namespace URI of one document; the URIs of two are not to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UriId(pub(super) u32);

impl UriId {
    /// No namespace.
    pub(crate) const NONE: Self = Self(0);
    /// That of `xml:`.
    pub(super) const XML: Self = Self(1);

    /// Its place in a list of all URIs of the document.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in the document's string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// In document order. What there is to say of an element is in a list of its own: there may be
/// several times as many nodes.
#[derive(Debug)]
pub(super) enum Node {
    /// Its place among the elements.
    Element(u32),
    Text(Span),
    Comment(Span),
}

#[derive(Debug)]
pub(super) struct ElementNode {
    pub(super) name: Name,
    pub(super) uri: UriId,
    pub(super) attributes: (u32, u32),
    pub(super) declarations: (u32, u32),
    pub(super) parent: Option<u32>,
    /// Where the nodes below it begin and end.
    pub(super) nodes: (u32, u32),
    /// Where the elements below it end; they begin behind it.
    pub(super) end: u32,
}

/// `prefix:local` as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) whole: Span,
    /// Where the local part begins.
    pub(super) local: u32,
    pub(super) prefix: PrefixId,
}

#[derive(Debug)]
pub(super) struct AttributeNode {
    pub(super) name: Name,
    pub(super) uri: UriId,
    pub(super) value: Span,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Declaration {
    /// [`PrefixId::NONE`] for the default namespace.
    pub(super) prefix: PrefixId,
    /// [`UriId::NONE`] where the default namespace is undeclared.
    pub(super) uri: UriId,
}

/// A whole document, or a fragment that was decrypted out of one.
#[derive(Debug)]
pub(crate) struct Document {
    pub(super) text: String,
    pub(super) nodes: Vec<Node>,
    /// In document order: the root is the first.
    pub(super) elements: Vec<ElementNode>,
    pub(super) attributes: Vec<AttributeNode>,
    pub(super) declarations: Vec<Declaration>,
    pub(super) prefixes: Interner,
    pub(super) uris: Interner,
    /// For the URIs of attributes that do not stand alone their place in their order, 0 for others;
    /// before everything is read, whether it will be needed: there may be tens of thousands that
    /// nobody compares.
    pub(super) ranks: Vec<u32>,
    /// What is in scope around the root: nothing for a document, for a fragment its place's.
    pub(super) context: Vec<Declaration>,
}

impl Document {
    /// A document without anything.
    pub(super) fn empty() -> Self {
        Self {
            text: String::new(),
            nodes: Vec::new(),
            elements: Vec::new(),
            attributes: Vec::new(),
            declarations: Vec::new(),
            prefixes: Interner::of(["", "xml"]),
            uris: Interner::of(["", XML_NAMESPACE]),
            ranks: Vec::new(),
            context: Vec::new(),
        }
    }

    pub(crate) fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// The values of all attributes that some verifier or other takes for an ID.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter_map(|attribute| {
            let is_id = match self.str(attribute.name.whole) {
                "ID" | "Id" | "id" => true,
                _ => attribute.uri == UriId::XML && self.local(attribute.name) == "id",
            };
            is_id.then(|| self.str(attribute.value))
        })
    }

    /// How many prefixes there are: each has an index below.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// How many URIs there are: each has an index below.
    pub(crate) fn uris(&self) -> usize {
        self.uris.len()
    }

    /// A prefix that is somewhere in the document.
    pub(crate) fn known_prefix(&self, text: &str) -> Option<PrefixId> {
        self.prefixes.known(text).map(PrefixId)
    }

    pub(crate) fn prefix_text(&self, prefix: PrefixId) -> &str {
        self.prefixes.text(prefix.0)
    }

    pub(crate) fn uri_text(&self, uri: UriId) -> &str {
        self.uris.text(uri.0)
    }

    /// Two attributes of one element may have to be put in the order of their URIs.
    pub(super) fn will_compare(&mut self, uri: UriId) {
        let at = uri.0 as usize;
        if self.ranks.len() <= at {
            self.ranks.resize(at + 1, 0);
        }
        if let Some(place) = self.ranks.get_mut(at) {
            *place = 1;
        }
    }

    /// The place of an attribute's URI in their order by bytes, where the attribute does not stand
    /// alone: 0 for no namespace, which is the first.
    pub(crate) fn rank(&self, uri: UriId) -> u32 {
        self.ranks.get(uri.0 as usize).copied().unwrap_or_default()
    }

    /// Spans are only made by the reader over text that is never shortened, so they always hold.
    pub(super) fn str(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub(super) fn local(&self, name: Name) -> &str {
        self.str(Span { start: name.local, end: name.whole.end })
    }
}

/// An element of a document, cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Element<'d> {
    pub(super) document: &'d Document,
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
    pub(crate) prefix: PrefixId,
    pub(crate) uri: UriId,
    pub(crate) local: &'d str,
    /// `prefix:local` as written.
    pub(crate) name: &'d str,
    pub(crate) value: &'d str,
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.index == other.index
    }
}

impl<'d> Element<'d> {
    fn node(self) -> Option<&'d ElementNode> {
        self.document.elements.get(self.index as usize)
    }

    /// Whether this is the element of that namespace and local name. Prefixes never decide.
    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.local() == local && self.namespace() == namespace
    }

    pub(crate) fn document(self) -> &'d Document {
        self.document
    }

    pub(crate) fn namespace(self) -> &'d str {
        self.document.uri_text(self.uri())
    }

    pub(crate) fn uri(self) -> UriId {
        self.node().map_or(UriId::NONE, |node| node.uri)
    }

    pub(crate) fn local(self) -> &'d str {
        self.node().map_or("", |node| self.document.local(node.name))
    }

    pub(crate) fn prefix(self) -> PrefixId {
        self.node().map_or(PrefixId::NONE, |node| node.name.prefix)
    }

    /// `prefix:local` as written.
    pub(crate) fn name(self) -> &'d str {
        self.node().map_or("", |node| self.document.str(node.name.whole))
    }

    pub(crate) fn parent(self) -> Option<Element<'d>> {
        let index = self.node()?.parent?;
        Some(Element { document: self.document, index })
    }

    /// The value of the attribute of that name in no namespace.
    pub(crate) fn attribute(self, local: &str) -> Option<&'d str> {
        self.attributes()
            .find(|attribute| attribute.uri == UriId::NONE && attribute.local == local)
            .map(|attribute| attribute.value)
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        let document = self.document;
        let (start, end) = self.node().map_or((0, 0), |node| node.attributes);
        document.attributes.get(start as usize..end as usize).unwrap_or_default().iter().map(
            move |attribute| Attribute {
                prefix: attribute.name.prefix,
                uri: attribute.uri,
                local: document.local(attribute.name),
                name: document.str(attribute.name.whole),
                value: document.str(attribute.value),
            },
        )
    }

    /// Namespace declarations on this element.
    pub(crate) fn declarations(self) -> impl Iterator<Item = (PrefixId, UriId)> + use<'d> {
        self.declared().iter().map(|declaration| (declaration.prefix, declaration.uri))
    }

    fn declared(self) -> &'d [Declaration] {
        let (start, end) = self.node().map_or((0, 0), |node| node.declarations);
        self.document.declarations.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Everything in scope here, each prefix once; an undeclared default namespace is absent.
    pub(crate) fn in_scope(self) -> Vec<(PrefixId, UriId)> {
        let mut scope = Vec::new();
        let mut seen = vec![false; self.document.prefixes()];
        let around = std::iter::successors(Some(self), |element| element.parent());
        let declarations = around.map(Element::declared).chain([self.document.context.as_slice()]);
        for Declaration { prefix, uri } in declarations.flatten() {
            let first =
                seen.get_mut(prefix.0 as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            if first && *uri != UriId::NONE {
                scope.push((*prefix, *uri));
            }
        }
        scope
    }

    /// 1 for the root.
    pub(super) fn depth(self) -> usize {
        std::iter::successors(Some(self), |element| element.parent()).count()
    }

    pub(crate) fn children(self) -> impl Iterator<Item = Child<'d>> {
        let document = self.document;
        let (mut next, end) = self.node().map_or((0, 0), |node| node.nodes);
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let node = document.nodes.get(next as usize)?;
            next += 1;
            let child = match node {
                Node::Element(index) => {
                    let element = Element { document, index: *index };
                    next = element.node()?.nodes.1;
                    Child::Element(element)
                }
                Node::Text(span) => Child::Text(document.str(*span)),
                Node::Comment(span) => Child::Comment(document.str(*span)),
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

    /// Whether another element is somewhere below this one.
    pub(crate) fn contains(self, other: Element<'_>) -> bool {
        let end = self.node().map_or(0, |node| node.end);
        std::ptr::eq(self.document, other.document) && (self.index + 1..end).contains(&other.index)
    }

    /// Every element below this one, in document order, and this one first.
    pub(crate) fn subtree(self) -> impl Iterator<Item = Element<'d>> {
        let document = self.document;
        let end = self.node().map_or(0, |node| node.end);
        (self.index..end).map(move |index| Element { document, index })
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
