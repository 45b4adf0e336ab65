// Two identity providers from npm behind one line protocol: a JSON command on each line of standard
// input, its answer on a line of standard output.
//
//   {"idp": "samlp" | "samlify", "do": "metadata" | "respond", ...}
//
// Both keep their own way of reading requests, building responses, signing and encrypting.

const fs = require('fs');
const readline = require('readline');
const samlp = require('samlp');
const samlify = require('samlify');

const [keyFile, certFile, encryptionCertFile, spMetadataFile] = process.argv.slice(2);
const key = fs.readFileSync(keyFile, 'utf8');
const cert = fs.readFileSync(certFile, 'utf8');
const encryptionCert = fs.readFileSync(encryptionCertFile, 'utf8');
const spMetadata = fs.readFileSync(spMetadataFile, 'utf8');
// Schema validation is a tool of its own there; what comes in is our own request.
samlify.setSchemaValidator({ validate: async () => 'skipped' });

const certBody = cert.replace(/-----[A-Z ]+-----|\s/g, '');

function samlpMetadata({ entityId, sso }) {
  const req = { headers: { host: new URL(sso).host }, protocol: 'https', originalUrl: '/sso', connection: {} };
  return new Promise((resolve, reject) => {
    const res = { set() {}, send: (xml) => resolve(String(xml)) };
    samlp.metadata({
      issuer: entityId, cert, redirectEndpointPath: '/sso', postEndpointPath: '/sso', endpointPath: '/sso',
    })(req, res, reject);
  });
}

function samlpRespond({ entityId, acs, audience, user, sign, encrypt, lifetime, request }) {
  const mapper = () => ({
    getClaims: () => user.attributes,
    getNameIdentifier: () => ({ nameIdentifier: user.nameId }),
  });
  mapper.metadata = [];
  return new Promise((resolve, reject) => {
    const auth = samlp.auth({
      issuer: entityId, cert, key, audience, recipient: acs, destination: acs,
      signResponse: sign !== 'assertion', signAssertion: sign !== 'response',
      profileMapper: mapper, getUserFromRequest: () => user, lifetimeInSeconds: lifetime,
      sessionIndex: '_session', includeAttributeNameFormat: true,
      ...(encrypt ? {
        encryptionCert,
        encryptionPublicKey: require('crypto').createPublicKey(encryptionCert).export({ type: 'spki', format: 'pem' }),
        encryptionAlgorithm: encrypt, disallowEncryptionWithInsecureAlgorithm: false,
        warnOnInsecureEncryptionAlgorithm: false,
      } : {}),
      getPostURL: (_audience, _request, _req, done) => done(null, acs),
      responseHandler: (response) => resolve(response.toString('base64')),
    });
    const query = request ? { SAMLRequest: request } : {};
    auth({ method: 'GET', query, body: {}, headers: {} }, { send: reject, set() {} }, reject);
  });
}

function samlifyIdp({ entityId, sso, user, encrypt }) {
  const names = Object.keys(user ? user.attributes : {});
  return samlify.IdentityProvider({
    entityID: entityId,
    singleSignOnService: [{ Binding: samlify.Constants.namespace.binding.redirect, Location: sso }],
    nameIDFormat: ['urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress'],
    privateKey: key, signingCert: cert,
    isAssertionEncrypted: Boolean(encrypt), dataEncryptionAlgorithm: encrypt,
    keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    loginResponseTemplate: {
      context: samlify.SamlLib.defaultLoginResponseTemplate.context,
      attributes: names.map((name) => ({
        name, valueTag: name, valueXsiType: 'xs:string',
        nameFormat: 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
      })),
    },
  });
}

async function samlifyRespond(command) {
  const { entityId, acs, audience, user, lifetime, request, sign, encrypt } = command;
  const idp = samlifyIdp(command);
  const sp = samlify.ServiceProvider({
    metadata: spMetadata, encryptCert: encryptionCert,
    wantMessageSigned: sign !== 'assertion',
  });
  let requestInfo = { extract: {} };
  if (request) {
    requestInfo = await idp.parseLoginRequest(sp, 'redirect', { query: { SAMLRequest: request } });
  }
  const id = `_${require('crypto').randomBytes(16).toString('hex')}`;
  const now = new Date();
  const end = new Date(now.getTime() + lifetime * 1000).toISOString();
  const values = {
    ID: id, AssertionID: `${id}a`, Destination: acs, Audience: audience, SubjectRecipient: acs,
    AssertionConsumerServiceURL: acs, EntityID: audience, Issuer: entityId,
    IssueInstant: now.toISOString(), StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
    ConditionsNotBefore: new Date(Math.min(now, Date.parse(end) - 1000)).toISOString(),
    ConditionsNotOnOrAfter: end, SubjectConfirmationDataNotOnOrAfter: end,
    NameIDFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress', NameID: user.nameId,
    InResponseTo: request ? requestInfo.extract.request.id : '', AuthnStatement: '',
  };
  for (const [name, value] of Object.entries(user.attributes)) {
    values[`attr${name[0].toUpperCase()}${name.slice(1)}`] = [].concat(value)[0];
  }
  const fill = (template) => {
    // An unsolicited response answers nothing; the template always says something.
    const unsolicited = request ? template : template.replace(/ InResponseTo="\{InResponseTo\}"/g, '');
    return { id, context: samlify.SamlLib.replaceTagsByValue(unsolicited, values) };
  };
  // Encrypted first: the signature of the message stands over what is sent.
  const person = { email: user.nameId };
  const made = await idp.createLoginResponse(sp, requestInfo, 'post', person, fill, Boolean(encrypt));
  return made.context;
}

async function answer(command) {
  if (command.idp === 'samlp') {
    return command.do === 'metadata' ? samlpMetadata(command) : samlpRespond(command);
  }
  return command.do === 'metadata' ? samlifyIdp(command).getMetadata() : samlifyRespond(command);
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  let reply;
  try {
    reply = { result: await answer(JSON.parse(line)) };
  } catch (error) {
    reply = { error: String((error && error.stack) || error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
