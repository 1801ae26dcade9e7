/* tracker.mjs - uwt as a child process */
import { check, sleep, start, until } from './scope.mjs'

/* Is everything of wanted in got, with the same value? */
const holds = (got, wanted) => Object.entries(wanted).every(([key, value]) =>
	typeof value === 'object' ? holds(got[key] ?? {}, value) : got[key] === value)

export class Tracker {
	constructor(binary, options = []) {
		this.binary = binary
		this.options = options
		this.port = 0
		this.scheme = 'ws'
	}

	/* Starts uwt; the second time on the same port as the first time. */
	async start() {
		this.lines = []
		const where = ['-p', String(this.port), '-H', '127.0.0.1']
		this.child = start(this.binary, [...where, ...this.options],
			line => this.lines.push(line))
		this.port = Number((await this.says(/^server listening on (\d+)$/))[1])
	}

	async says(pattern) {
		let match
		await until(() => {
			match = this.lines.map(line => pattern.exec(line)).find(found => found)
			return match
		}, () => `${pattern} from uwt; ${this.lines.at(-1)} ${this.child.errors}`, 5000)
		return match
	}

	/*
	 * Sockets are pooled per URL within a process, so a client that is to have one of its own
	 * is given a path of its own.
	 */
	url(path) {
		return `${this.scheme}://127.0.0.1:${this.port}${path}`
	}

	/* The same tracker, for who is to come to it by another scheme. */
	by(scheme) {
		return Object.create(this, { scheme: { value: scheme } })
	}

	/* What clients in Node need to believe it. */
	environment() {
		return this.scheme === 'wss' ? { NODE_EXTRA_CA_CERTS: this.root } : {}
	}

	async stats() {
		const reply = await fetch(`http://127.0.0.1:${this.port}/stats.json`)
		check(reply.ok, `/stats.json: ${reply.status}`)
		return reply.json()
	}

	async shows(numbers, ms) {
		let stats
		await until(async () => {
			stats = await this.stats()
			return holds(stats, numbers)
		}, () => `${JSON.stringify(numbers)} in ${JSON.stringify(stats)}`, ms)
		return stats
	}

	async reload() {
		this.lines = []
		this.child.kill('SIGHUP')
		await this.says(/^certificates reloaded$/)
	}

	async kill() {
		this.child.kill('SIGKILL')
		await this.child.ended
	}

	/* The end of a good scenario: nobody is left, and uwt ends as it should. */
	async finish() {
		const tls = this.root ? { connections: 0, failures: 0 } : {}
		await this.shows({ peersAll: 0, activeTorrents: 0, torrents: 0, tls }, 10_000)
		this.child.kill('SIGTERM')
		const tooLate = sleep(2000).then(() => 'no end')
		const status = await Promise.race([this.child.ended, tooLate])
		check(status === 0, `uwt after SIGTERM: ${status}`)
		check(this.child.errors === '', `uwt wrote to stderr: ${this.child.errors}`)
	}
}

export async function startTracker(scope, binary, options) {
	const tracker = new Tracker(binary, options)
	scope.defer(() => tracker.kill())
	await tracker.start()
	scope.trackers.push(tracker)
	return tracker
}
