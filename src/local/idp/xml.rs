//! XML that is canonical by construction: what is written is its own exclusive canonical form
//! (W3C "Exclusive XML Canonicalization 1.0"), so signing needs no second look at it.
//!
//! That is possible because each prefix here means one namespace everywhere, and because elements
//! hold either text or elements.

/// Every prefix with its namespace.
const NAMESPACES: [(&str, &str); 7] = [
    ("ds", "http://www.w3.org/2000/09/xmldsig#"),
    ("ec", "http://www.w3.org/2001/10/xml-exc-c14n#"),
    ("saml2", "urn:oasis:names:tc:SAML:2.0:assertion"),
    ("saml2p", "urn:oasis:names:tc:SAML:2.0:protocol"),
    ("xsd", "http://www.w3.org/2001/XMLSchema"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ("xml", "http://www.w3.org/XML/1998/namespace"),
];

/// An element by its prefixed name.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), text: String::new(), children: Vec::new() }
    }

    pub(super) fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(super) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// Puts `child` where SAML wants the signature: right after the first child, the issuer.
    pub(super) fn after_first(mut self, child: Self) -> Self {
        self.children.insert(self.children.len().min(1), child);
        self
    }

    /// The canonical form with this element as the apex. `inclusive` prefixes are declared at the
    /// apex whether it uses them or not: the `PrefixList`, or, for a whole document, everything
    /// that its root shall declare.
    pub(super) fn canonical(&self, inclusive: &[&'static str]) -> String {
        let mut out = String::new();
        self.write(&mut out, &mut Vec::new(), inclusive);
        out
    }

    fn write(&self, out: &mut String, rendered: &mut Vec<&'static str>, also: &[&'static str]) {
        let depth = rendered.len();
        let mut prefixes: Vec<&'static str> = std::iter::once(self.name)
            .chain(self.attributes.iter().map(|(name, _)| *name))
            .filter_map(|name| name.split_once(':').map(|(prefix, _)| prefix))
            .chain(also.iter().copied())
            .collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes.retain(|prefix| !rendered.contains(prefix));

        out.push('<');
        out.push_str(self.name);
        for prefix in prefixes {
            rendered.push(prefix);
            out.push_str(&format!(" xmlns:{prefix}=\"{}\"", namespace(prefix)));
        }
        let mut attributes: Vec<_> = self.attributes.iter().collect();
        attributes.sort_by_key(|(name, _)| match name.split_once(':') {
            Some((prefix, local)) => (namespace(prefix), local),
            None => ("", *name),
        });
        for (name, value) in attributes {
            out.push_str(&format!(" {name}=\"{}\"", escape_attribute(value)));
        }
        out.push('>');
        out.push_str(&escape_text(&self.text));
        for child in &self.children {
            child.write(out, rendered, &[]);
        }
        out.push_str(&format!("</{}>", self.name));
        rendered.truncate(depth);
    }
}

fn namespace(prefix: &str) -> &'static str {
    NAMESPACES.iter().find(|(p, _)| *p == prefix).map_or("", |(_, uri)| uri)
}

/// Canonical XML 1.0, section 2.3, text nodes.
fn escape_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

/// Canonical XML 1.0, section 2.3, attribute nodes.
fn escape_attribute(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\t', "&#x9;")
        .replace('\n', "&#xA;")
        .replace('\r', "&#xD;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_stand_where_they_are_first_used_and_attributes_are_sorted() {
        let element = Element::new("saml2:Assertion")
            .attribute("Version", "2.0")
            .attribute("ID", "a\"<")
            .child(Element::new("saml2:Issuer").text("a&b>\r"))
            .child(Element::new("ds:Signature"))
            .child(
                Element::new("saml2:AttributeValue").attribute("xsi:type", "xsd:string").text("v"),
            );
        assert_eq!(
            element.canonical(&["xsd"]),
            "<saml2:Assertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" ID=\"a&quot;&lt;\" Version=\"2.0\">\
             <saml2:Issuer>a&amp;b&gt;&#xD;</saml2:Issuer>\
             <ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"></ds:Signature>\
             <saml2:AttributeValue xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"xsd:string\">v</saml2:AttributeValue></saml2:Assertion>"
        );
    }
}
