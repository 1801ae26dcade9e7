/*
 * scope.mjs - what a scenario holds: its children, its trackers, its pages
 *
 * Everything is registered here when it is made and ended here, whatever happened in between.
 */
import { spawn } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'

export const SIZE = 5_000_000

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')

export function check(condition, text) {
	if (!condition) throw new Error(text)
}

/* Calls fn until what it gives is true; what() says what was waited for. */
export async function until(fn, what, ms = 30_000) {
	const end = Date.now() + ms
	for (;;) {
		if (await fn()) return
		if (Date.now() > end) throw new Error(`no ${what()} within ${ms / 1000} s`)
		await sleep(100)
	}
}

const children = new Set()

process.on('exit', () => {
	for (const child of children) child.kill('SIGKILL')
})

/* A child process whose lines of output go to onLine. */
export function start(command, args, onLine, environment = {}) {
	const env = { ...process.env, ...environment }
	const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
	children.add(child)
	child.errors = ''
	child.stdin.on('error', () => {})
	child.stderr.on('data', text => { child.errors += text })
	createInterface({ input: child.stdout }).on('line', onLine)
	child.ended = new Promise(resolve => {
		const end = why => {
			children.delete(child)
			resolve(why)
		}
		child.on('error', error => end(error.message))
		child.on('close', (status, signal) => end(signal ?? status))
	})
	return child
}

export class Scope {
	constructor(name, directory) {
		this.name = name
		this.directory = directory
		this.trackers = []
		this.cleanups = []
	}

	defer(cleanup) {
		this.cleanups.push(cleanup)
	}

	/*
	 * A file of SIZE bytes that no other scenario has, so that no client finds it, or a
	 * torrent of the same hash, anywhere but at its peer.
	 */
	async file(name) {
		const key = createHash('sha256').update(`${this.name} ${name}`).digest()
		const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
		const bytes = cipher.update(Buffer.alloc(SIZE))
		const path = join(this.directory, name)
		await writeFile(path, bytes)
		const url = `/file/${basename(this.directory)}/${name}`
		return { path, url, sha256: sha256(bytes) }
	}

	async folder(name) {
		const path = join(this.directory, name)
		await mkdir(path)
		return path
	}

	async close() {
		const errors = []
		for (const cleanup of this.cleanups.reverse()) {
			await cleanup().catch(error => errors.push(error))
		}
		return errors
	}
}
