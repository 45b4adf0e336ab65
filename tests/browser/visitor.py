"""Somebody in front of a browser: what they do, what they see, and how it looks."""

import re
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

HOSTS = {"localhost", "127.0.0.1", None}
# WCAG 2.2 at level AA, and what axe's makers hold to be good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# In CSS pixels; 320 is what WCAG 1.4.10 asks for: 1280 at 400 %.
WIDTHS = {"smallest": 320, "phone": 360, "wide": 1600}
# Where the rules look: what scrolls on a phone only must be reached there by the keyboard, too.
LOOKED_AT = (1100, 360)


class Visitor:
    def __init__(self, browser, local, screenshots, pictures, options):
        options = {"viewport": {"width": 1024, "height": 768}} | options
        self.local = local
        self.went_elsewhere = []
        self.complaints = []
        self._screenshots = screenshots
        self._pictures = pictures
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(30_000)
        self.context.on("request", self._requested)
        self.context.on("console", self._complained)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page = self.context.new_page()

    def leave(self):
        self.context.close()

    def _requested(self, request):
        if urlsplit(request.url).hostname not in HOSTS:
            self.went_elsewhere.append(request.url)

    def _complained(self, message):
        # That a page came with a status of 400 or more is what the tests of errors are about.
        of_document = re.match(r"Failed to load resource: the server responded", message.text)
        if message.type in ("error", "warning") and not of_document:
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    # What they do.

    def choose_tile(self, person, tile="Open SageMaker Studio"):
        """Starts in the portal of the identity provider."""
        self.page.goto(self.local.idp)
        self._press_on_card(person, tile)

    def choose_person(self, person):
        """Says who they are, where a sign-in that the broker started has led them."""
        expect(self.page).to_have_url(re.compile(re.escape(self.local.idp) + "/sso"))
        self._press_on_card(person, "Sign in")

    def _press_on_card(self, person, words):
        self.page.locator(f"#{person} button", has_text=re.compile(f"^{words}$")).click()

    def visit(self, path):
        """Types an address of the broker; the answer of the last hop."""
        return self.page.goto(self.local.broker + path)

    def open_team(self, name):
        self.page.get_by_role("link", name=name, exact=True).click()

    def post(self, url, fields):
        """What a page of the identity provider's site can make this browser post."""
        self.page.goto(self.local.idp)
        with self.page.expect_navigation() as navigation:
            self.page.evaluate(POST, [url, fields])
        return navigation.value

    def post_response(self, response, **more):
        return self.post(self.local.broker + "/saml/acs", {"SAMLResponse": response} | more)

    def stay_on_pages_that_move_on(self):
        """Takes `Refresh` from the broker's answers, so that a page can be looked at. What a redirect
        leads to is out of its reach: such a page has to be visited."""

        def without_refresh(route):
            answer = route.fetch(max_redirects=0)
            headers = {k: v for k, v in answer.headers.items() if k.lower() != "refresh"}
            route.fulfill(response=answer, headers=headers)

        self.page.route(self.local.broker + "/**", without_refresh)

    # What they see.

    def expect_chooser(self, *teams):
        """The chooser with exactly these teams that can be opened."""
        expect(self.page).to_have_url(self.local.broker + "/")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Your teams")
        expect(self.page.locator(".cards h2 a")).to_have_text(list(teams))

    def expect_studio(self, **facts):
        """The simulated Studio, with these facts by the ids of its page."""
        expect(self.page).to_have_url(re.compile(re.escape(self.local.idp) + "/auth"))
        shown = {name: self.page.locator(f"#{name.replace('_', '-')}").inner_text() for name in facts}
        assert shown == facts

    def expect_error(self, code):
        """The page of a refusal, and everything that every such page owes to a person."""
        expect(self.page.locator("#code")).to_have_text(code)
        page, text = self.page, self.page.locator("main").inner_text()
        assert re.fullmatch(r"[0-9A-Z]{10}", self.reference()), text
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text), text
        home = page.get_by_role("link", name="Your teams")
        expect(home).to_have_attribute("href", self.local.broker + "/")
        for internal in ("arn:aws", "Exception", "AssumeRole", "d-localteam", "StudioBrokerTarget"):
            assert internal not in page.content()

    def reference(self):
        return self.page.locator("#reference").inner_text()

    # How it looks.

    def look(self, name):
        """Holds the page against WCAG in light and dark, and glances at it."""
        before = self.page.viewport_size
        # Of what the rules look at, only the colours differ in the dark.
        for scheme, rules in (("light", RULES), ("dark", ["color-contrast"])):
            self.page.emulate_media(color_scheme=scheme)
            for width in LOOKED_AT:
                self.page.set_viewport_size({"width": width, "height": 800})
                found = Axe().run(self.page, options={"runOnly": rules}).response["violations"]
                assert [summary(violation) for violation in found] == [], (name, scheme, width)
        self.page.set_viewport_size(before)
        self.picture(f"{name}-dark")
        self.page.emulate_media(color_scheme="light")
        self.glance(name)
        if name in self._pictures:
            self._take_for_readers(self._pictures[name])

    def glance(self, name):
        """Takes pictures of the page, which must fit narrow and wide screens. Enough where another
        page of the same template has been looked at."""
        page, before = self.page, self.page.viewport_size
        self.picture(f"{name}-light")
        for screen, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 800})
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{name} is {overflow} px too wide for {width} px"
            if screen == "phone":
                self.picture(f"{name}-{screen}")
        page.set_viewport_size(before)

    def _take_for_readers(self, path):
        """The top of the page, as small as it may be, and the same at each run where the page is."""
        page, before = self.page, self.page.viewport_size
        page.set_viewport_size({"width": 1100, "height": 560})
        end = page.locator("main").evaluate("main => main.getBoundingClientRect().bottom")
        top = {"x": 0, "y": 0, "width": 1100, "height": min(end + 30, 560)}
        page.screenshot(path=path, clip=top, animations="disabled")
        page.set_viewport_size(before)

    def picture(self, name):
        self.page.screenshot(path=self._screenshots / f"{name}.png")


def summary(violation):
    """One line of what axe found: rule, impact, elements."""
    targets = [" ".join(map(str, node["target"])) for node in violation["nodes"]]
    return f"{violation['id']} ({violation['impact']}): {', '.join(targets)}"


POST = """([url, fields]) => {
  const form = document.createElement('form')
  form.method = 'post'
  form.action = url
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input')
    input.type = 'hidden'
    input.name = name
    input.value = value
    form.append(input)
  }
  document.body.append(form)
  form.submit()
}"""
