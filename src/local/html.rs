//! The frame and the few rules that the test pages share.

/// Text made safe for element content and for attribute values in double quotes, in HTML and XML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A whole page; `body` is HTML, `title` is text.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n",
        escape(title)
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5b6675;--line:#d5dbe3;--card:#fff;--page:#f3f5f8;\
--act:#0b5cad;--on-act:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#a3aebd;--line:#3a4554;--card:#1d2530;\
--page:#12171e;--act:#7ab8ff;--on-act:#08121d}}\
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem}\
a{color:var(--act)}h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:0}p{margin:.35rem 0}\
.soft{color:var(--soft)}.cards{display:grid;gap:1rem;padding:0;margin:1.5rem 0;list-style:none;\
grid-template-columns:repeat(auto-fill,minmax(19rem,1fr))}\
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem;\
display:flex;flex-direction:column;gap:.35rem}.card form{margin:0}.actions{display:flex;\
flex-wrap:wrap;gap:.5rem;margin-top:auto;padding-top:.5rem}\
button{font:inherit;border:1px solid var(--act);border-radius:.4rem;padding:.4rem .8rem;\
background:var(--act);color:var(--on-act);cursor:pointer}button.plain{background:transparent;\
color:var(--act)}button:focus-visible,a:focus-visible,pre:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.25rem;background:var(--card);\
border:1px solid var(--line);border-radius:.6rem;padding:1rem;overflow-wrap:anywhere}\
dt{color:var(--soft)}dd{margin:0}pre{background:var(--card);border:1px solid var(--line);\
border-radius:.6rem;padding:1rem;overflow:auto}code{font-family:ui-monospace,monospace}\
@media(max-width:36rem){dl{grid-template-columns:1fr;gap:0}dt:not(:first-child){margin-top:.6rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_opens_no_element_and_leaves_no_attribute() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
