/*
 * suite.mjs - runs the scenarios
 *
 *	node suite.mjs PATH-TO-UWT [WORD ...]
 */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { Browser } from './browser.mjs'
import { scenarios } from './scenarios.mjs'
import { Scope, sleep } from './scope.mjs'

const AT_A_TIME = 3
const LIMIT = 120 /* s, for a scenario that names no other */
const LIMIT_OF_ALL = 480 /* s */

const [binary, ...words] = process.argv.slice(2)
const began = Date.now()
const count = { passed: 0, failed: 0 }
const again = [] /* what failed: clients have faults of their own, and machines are busy */

const seconds = since => `${((Date.now() - since) / 1000).toFixed(1)} s`

function report(name, since, error) {
	if (error) {
		count.failed++
		console.log(`not ok ${name}: ${error.message} (${seconds(since)})`)
	} else {
		count.passed++
		console.log(`ok ${name} (${seconds(since)})`)
	}
}

async function tryOut(scenario, t) {
	await scenario.run(t)
	for (const tracker of t.scope.trackers) await tracker.finish()
}

async function runOne(scenario, browser, directory, last = false) {
	const since = Date.now()
	const limit = scenario.limit ?? LIMIT
	const scope = new Scope(scenario.name, await mkdtemp(join(directory, 'scenario-')))
	const t = { scope, browser, binary }
	let error
	try {
		const tooLate = sleep(limit * 1000).then(() => {
			throw new Error(`not done in ${limit} s`)
		})
		await Promise.race([tryOut(scenario, t), tooLate])
	} catch (caught) {
		error = caught
	}
	const more = await scope.close()
	error ??= more[0]
	if (error && !last) {
		again.push(scenario)
		const why = `${error.message} (${seconds(since)})`
		console.log(`once more, alone: ${scenario.name}: ${why}`)
	} else {
		report(scenario.name, since, error)
	}
}

async function runAll(chosen, browser, directory) {
	const queue = chosen.filter(({ waits }) => !waits)
	const worker = async () => {
		while (queue.length > 0) await runOne(queue.shift(), browser, directory)
	}
	await Promise.all([
		...chosen.filter(({ waits }) => waits).map(one => runOne(one, browser, directory)),
		...Array.from({ length: AT_A_TIME }, worker)
	])
	for (const scenario of again) await runOne(scenario, browser, directory, true)
}

/* Ends the program; what is still running is ended as it exits. */
function end(status) {
	console.log(`in ${seconds(began)}`)
	console.log(`${count.passed} passed, ${count.failed} failed`)
	process.exit(status)
}

async function main() {
	const chosen = scenarios.filter(({ name }) =>
		words.length === 0 || words.some(word => name.includes(word)))
	const directory = await mkdtemp(join(import.meta.dirname, 'run-'))
	const browser = new Browser()
	const abort = why => {
		count.failed++
		console.log(`not ok all: ${why}`)
		end(1)
	}
	process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, abort)
	setTimeout(() => abort(`not done in ${LIMIT_OF_ALL} s`), LIMIT_OF_ALL * 1000)
	await browser.start(directory)
	await runAll(chosen, browser, directory)
	await browser.stop()
	end(count.failed > 0 || count.passed === 0 ? 1 : 0)
}

main().catch(error => {
	count.failed++
	console.log(`not ok all: ${error.stack}`)
	end(1)
})
