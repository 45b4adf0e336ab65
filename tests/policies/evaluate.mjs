// Decides IAM requests: one JSON object a line in, one JSON object a line out.
//
// In:  {"principal", "action", "resource", "account", "context": {key: value or [values]},
//       "identity": {name: document}, "resourcePolicy": document, "boundary": {name: document},
//       "scps": {name: document}, "endpoints": {name: document}}; the last five are optional.
// Out: {"result": "Allowed" | "ExplicitlyDenied" | "ImplicitlyDenied", "by": [Sid or policy name]}
//      or {"error": why this is no request that AWS could see}.
//
// A request is refused, not decided, when a policy is malformed, when the action does not exist, when
// the resource is not of a type that the action takes, and when AWS never sends one of its context
// keys with that action: a case that passes for a reason that cannot occur proves nothing.
import readline from 'node:readline'
import { validateIdentityPolicy } from '@cloud-copilot/iam-policy'
import {
  allowedContextKeysForRequest,
  isWildcardOnlyAction,
  runSimulation,
  runUnsafeSimulation,
} from '@cloud-copilot/iam-simulate'

// SageMaker sends these two with every request of a Studio app, for use as policy variables; the
// service authorization reference lists them for the service, not for single actions, so the
// library's own check of keys would drop them.
const OF_STUDIO_APPS = ['sagemaker:domainid', 'sagemaker:userprofilename']

const named = (documents = {}) =>
  Object.entries(documents).map(([name, policy]) => ({ name, policy: asIamReads(policy) }))

// Variables exist since version 2012-10-17 of the policy language; in a document of another version, or
// of none, `${` is text. The library reads variables everywhere, so this text gets a first character that
// stands for itself, and so does what a request brings along.
const LITERAL = '\ue000{'
const literal = (value) =>
  typeof value === 'string'
    ? value.replaceAll('${', LITERAL)
    : Array.isArray(value)
      ? value.map(literal)
      : value !== null && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, literal(inner)]))
        : value
const asIamReads = (policy) => (policy?.Version === '2012-10-17' ? policy : literal(policy))

async function decide(request) {
  request = { ...request, context: literal(request.context), resource: literal(request.resource) }
  const simulation = {
    request: {
      principal: request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: request.account },
      contextVariables: request.context,
    },
    identityPolicies: named(request.identity),
    serviceControlPolicies: request.scps
      ? [{ orgIdentifier: 'r-root', policies: named(request.scps) }]
      : [],
    resourceControlPolicies: [],
    resourcePolicy: request.resourcePolicy && asIamReads(request.resourcePolicy),
    permissionBoundaryPolicies: request.boundary ? named(request.boundary) : undefined,
    vpcEndpointPolicies: request.endpoints ? named(request.endpoints) : undefined,
  }
  const studioKeys = Object.keys(request.context).filter((key) =>
    OF_STUDIO_APPS.includes(key.toLowerCase()),
  )
  if (studioKeys.length === 0) return decided(await runSimulation(simulation, {}))

  if (!request.action.startsWith('sagemaker:')) {
    return { error: `${studioKeys} come with SageMaker's actions only` }
  }
  // Actions without a resource: the variables stand in ARNs, and there is none to fill.
  const [service, action] = request.action.split(':')
  if (await isWildcardOnlyAction(service, action)) {
    for (const key of studioKeys) delete request.context[key]
    return decided(await runSimulation(simulation, {}))
  }
  return decideStudioRequest(simulation, request, service, action)
}

// The same decision with the same engine, its checks of the input made here because of the two keys.
async function decideStudioRequest(simulation, request, service, action) {
  const errors = Object.values(request.identity ?? {}).flatMap(validateIdentityPolicy)
  if (errors.length > 0) return { error: errors }
  const allowed = [
    ...(await allowedContextKeysForRequest(service, action, request.resource, false, undefined)),
    ...OF_STUDIO_APPS,
  ]
  const matches = (key) =>
    allowed.some((other) =>
      key.includes('/') ? other.startsWith(key.slice(0, key.indexOf('/') + 1)) : other === key,
    )
  const unknown = Object.keys(request.context).filter((key) => !matches(key.toLowerCase()))
  if (unknown.length > 0) return { error: `${request.action} never carries ${unknown}` }
  return { result: runUnsafeSimulation(simulation, {}), by: [] }
}

function decided(outcome) {
  if (outcome.resultType === 'error') return { error: outcome.errors }
  // Actions that may go without a resource are asked for "*", which the library takes for a pattern.
  const only = outcome.resultType === 'single' ? outcome.result : outcome.results[0]
  if (outcome.resultType !== 'single' && outcome.results.length > 1) {
    return { error: 'a request names one resource' }
  }
  if (only === undefined) return { result: outcome.overallResult, by: [] }
  const { analysis, ignoredContextKeys = [] } = only
  if (ignoredContextKeys.length > 0) return { error: `never carried: ${ignoredContextKeys}` }
  const statements = [
    analysis.identityAnalysis,
    analysis.resourceAnalysis,
    ...(analysis.scpAnalysis?.ouAnalysis ?? []),
  ].flatMap((part) => part?.denyStatements ?? [])
  const allows = [analysis.identityAnalysis, analysis.resourceAnalysis].flatMap(
    (part) => part?.allowStatements ?? [],
  )
  const by = (statements.length > 0 ? statements : allows).map(
    ({ policyId, statement }) => statement.sid() ?? policyId ?? 'unnamed',
  )
  return { result: analysis.result, by }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer
  try {
    answer = await decide(JSON.parse(line))
  } catch (error) {
    answer = { error: String(error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
