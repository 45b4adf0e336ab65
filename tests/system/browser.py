"""A browser as far as sign-ins depend on it: cookies with their SameSite rules, and no redirects
followed, since every Location is looked at."""

import http.client
import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit


@dataclass
class SetCookie:
    """One `Set-Cookie`: the value, and the attributes with lower-case names."""

    name: str
    value: str
    attributes: dict

    @classmethod
    def parse(cls, line):
        first, *rest = [part.strip() for part in line.split(";")]
        name, _, value = first.partition("=")
        attributes = {}
        for part in rest:
            key, _, text = part.partition("=")
            attributes[key.lower()] = text
        return cls(name, value, attributes)

    @property
    def kind(self):
        """`session`, `request` or `owner`: the word in its name."""
        return self.name.removeprefix("__Host-").split("-")[2]


@dataclass
class Answer:
    """An answer of the broker."""

    status: int
    headers: list
    body: bytes

    def header(self, name):
        """The one value of a header, or None; twice is an error."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands there {len(values)} times"
        return values[0] if values else None

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def location(self):
        return self.header("location")

    @property
    def is_page(self):
        return (self.header("content-type") or "").startswith("text/html")

    def of_page(self, element_id):
        found = re.search(rf'id="{element_id}">([^<]*)<', self.text)
        return found and found.group(1)

    @property
    def code(self):
        """The stable code, from a page or a problem; None where there is none."""
        if self.is_page:
            return self.of_page("code")
        if self.header("content-type") == "application/problem+json":
            return self.json["code"]
        return None

    @property
    def reference(self):
        return self.of_page("reference") if self.is_page else self.json["reference"]

    @property
    def links(self):
        return re.findall(r'href="([^"]*)"', self.text)

    @property
    def set_cookies(self):
        """All cookies that are set."""
        cookies = [SetCookie.parse(line) for line in self.all("set-cookie")]
        assert len({cookie.name for cookie in cookies}) == len(cookies)
        return cookies

    @property
    def cookies(self):
        """The cookies that are set, by kind; of several requests the newest."""
        return {cookie.kind: cookie for cookie in self.set_cookies}

    def opens_studio(self):
        """Whether this is a redirect to a presigned URL."""
        return self.status == 302 and "/auth?token=" in (self.location or "")


@dataclass
class Browser:
    """One browser at one broker. `send` carries a request there: method, path, headers, body."""

    send: object
    public_url: str
    jar: dict = field(default_factory=dict)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, form=None, **more):
        return self.request("POST", path, form=form or {}, **more)

    def post_from_idp(self, response, relay_state=None, **more):
        """The post that the identity provider's page makes: it comes from another site."""
        form = {"SAMLResponse": response}
        if relay_state is not None:
            form["RelayState"] = relay_state
        return self.request("POST", "/saml/acs", form=form, cross_site=True, **more)

    def request(
        self,
        method,
        path,
        form=None,
        body=None,
        headers=None,
        accept="text/html,application/xhtml+xml",
        cross_site=False,
    ):
        if path.startswith(self.public_url):
            path = path.removeprefix(self.public_url) or "/"
        path = urlsplit(self.public_url).path + path
        all_headers = [("Accept", accept), ("Sec-Fetch-Dest", "document")] if accept else []
        cookies = self.cookie_header(cross_site)
        if cookies:
            all_headers.append(("Cookie", cookies))
        if form is not None:
            body = form if isinstance(form, (str, bytes)) else urlencode(form, doseq=True)
            all_headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        body = body.encode() if isinstance(body, str) else body
        replaced = {name.lower() for name, _ in headers or []}
        all_headers = [pair for pair in all_headers if pair[0].lower() not in replaced]
        all_headers += [pair for pair in headers or [] if pair[1] is not None]
        answer = self.send(method, path, all_headers, body)
        for cookie in answer.set_cookies:
            if cookie.attributes.get("max-age") == "0":
                self.jar.pop(cookie.name, None)
            else:
                self.jar[cookie.name] = cookie
        return answer

    def cookie_header(self, cross_site=False):
        """What a browser sends: Lax cookies do not go with another site's post."""
        sent = [
            f"{cookie.name}={cookie.value}"
            for cookie in self.jar.values()
            if not cross_site or cookie.attributes.get("samesite") == "None"
        ]
        return "; ".join(sent)

    def cookie(self, kind):
        """The cookie of a kind, or None."""
        return next((cookie for cookie in self.jar.values() if cookie.kind == kind), None)


def over_http(port, timeout=30):
    """A way to send requests to a port of this machine, each on a connection of its own."""

    def send(method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            names = {name.lower() for name, _ in headers}
            connection.putrequest(
                method, path, skip_host="host" in names, skip_accept_encoding=True
            )
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None and "content-length" not in names:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    return send
