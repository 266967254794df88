// Decisions over HTTP from Node 18 or later, without a package: `node gateway_client.js URL < payments`, one a line.
const url = process.argv[2]
const key = process.env.GATEWAY_KEY

async function decide(payment, deadlineMs) {
  const response = await fetch(`${url}/v1/decisions`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'Deadline-Ms': String(deadlineMs),
      ...(key ? { Authorization: `Bearer ${key}` } : {}),
    },
    body: payment,
    signal: AbortSignal.timeout(deadlineMs + 1000),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${answer.code} ${answer.path ?? ''}: ${answer.detail}`)
  return answer.outcome === 'timeout' ? { ...answer, outcome: answer.fallback_outcome, late: true } : answer
}

const lines = require('readline').createInterface({ input: process.stdin })
;(async () => {
  for await (const line of lines) {
    try {
      console.log(JSON.stringify(await decide(line, 10000)))
    } catch (error) {
      console.log(JSON.stringify({ error: error.message }))
    }
  }
})()
