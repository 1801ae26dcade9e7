/*
 * memory-store.mjs - a chunk store in memory, for webtorrent in Node and in the browser
 *
 * Its own store in Node is one folder for all processes, where a leecher would find the seeder's
 * file and be done with nothing transferred.
 */
export default class MemoryStore {
	constructor(chunkLength) {
		this.chunkLength = chunkLength
		this.chunks = []
	}

	put(index, bytes, done = () => {}) {
		this.chunks[index] = Uint8Array.from(bytes)
		queueMicrotask(() => done(null))
	}

	get(index, options, done) {
		if (typeof options === 'function') return this.get(index, {}, options)
		const chunk = this.chunks[index]
		if (!chunk) return queueMicrotask(() => done(new Error('no such chunk')))
		const offset = options?.offset ?? 0
		const length = options?.length ?? chunk.length - offset
		queueMicrotask(() => done(null, chunk.slice(offset, offset + length)))
	}

	close(done = () => {}) {
		queueMicrotask(() => done(null))
	}

	destroy(done) {
		this.chunks = []
		this.close(done)
	}
}
