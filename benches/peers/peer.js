// A service provider on @node-saml/node-saml: validates a posted response, uses it once, redirects.
//
// Settings come as JSON on standard input; the port is printed.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { SAML } from "@node-saml/node-saml";

const given = JSON.parse(readFileSync(0, "utf8"));
const saml = new SAML({
  callbackUrl: given.acs_url,
  issuer: given.audience,
  audience: given.audience,
  entryPoint: "https://idp.example.com/sso",
  idpCert: given.certificate,
  idpIssuer: given.issuer,
  wantAssertionsSigned: given.signs === "assertion",
  wantAuthnResponseSigned: given.signs === "response",
});
const used = new Set();

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  try {
    const { profile } = await saml.validatePostResponseAsync({
      SAMLResponse: form.get("SAMLResponse"),
    });
    const id = profile.getAssertion().Assertion.$.ID;
    if (used.has(id)) throw new Error("used already");
    used.add(id);
    const team = [profile.teamid].flat()[0];
    response.writeHead(302, { Location: `https://studio.example.com/${team}` }).end();
  } catch (error) {
    console.error(error);
    response.writeHead(403).end();
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
