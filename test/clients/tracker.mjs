/* uwt as a child process. */
import { check, sleep, start, until } from './scope.mjs'

export class Tracker {
	constructor(binary, options = []) {
		this.binary = binary
		this.options = options
		this.port = 0
	}

	/* Starts uwt; the second time on the same port as the first time. */
	async start() {
		let listening
		const first = new Promise(resolve => { listening = resolve })
		const where = ['-p', String(this.port), '-H', '127.0.0.1']
		this.child = start(this.binary, [...where, ...this.options], listening)
		const line = await Promise.race([first, this.child.ended, sleep(5000)])
		const match = /^server listening on (\d+)$/.exec(line)
		check(match, `uwt did not start: ${line ?? 'no output'} ${this.child.errors}`)
		this.port = Number(match[1])
	}

	/*
	 * Sockets are pooled per URL within a process, so a client that is to have
	 * one of its own is given a path of its own.
	 */
	url(path) {
		return `ws://127.0.0.1:${this.port}${path}`
	}

	async stats() {
		const reply = await fetch(`http://127.0.0.1:${this.port}/stats.json`)
		check(reply.ok, `/stats.json: ${reply.status}`)
		return reply.json()
	}

	/* Waits until /stats.json has these numbers. */
	async shows(numbers, ms) {
		let stats
		await until(async () => {
			stats = await this.stats()
			return Object.keys(numbers).every(key => stats[key] === numbers[key])
		}, () => `${JSON.stringify(numbers)} in ${JSON.stringify(stats)}`, ms)
		return stats
	}

	async kill() {
		this.child.kill('SIGKILL')
		await this.child.ended
	}

	/* The end of a good scenario: nobody is left, and uwt ends as it should. */
	async finish() {
		await this.shows({ peersAll: 0, activeTorrents: 0, torrents: 0 }, 10_000)
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
