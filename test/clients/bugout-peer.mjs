/*
 * bugout-peer.mjs - bugout in a Node process
 *
 *	node bugout-peer.mjs TRACKER TEXT
 *
 * Sends TEXT to whom it sees, and writes {"heard": ...} with what the other sends. Leaves at the
 * end of its input.
 */
import './gathering.mjs'
import { createRequire } from 'node:module'
import WRTC from 'webrtc-polyfill'

globalThis.WRTC = WRTC
const Bugout = createRequire(import.meta.url)('bugout')

const [tracker, text] = process.argv.slice(2)

const bugout = new Bugout('uwt', {
	announce: [tracker],
	iceServers: [],
	wtOpts: { dht: false, lsd: false, utPex: false, utp: false, natUpnp: false }
})
bugout.on('seen', () => bugout.send({ text }))
bugout.on('message', (address, message) => {
	if (address === bugout.address()) return
	process.stdout.write(JSON.stringify({ heard: message.text }) + '\n')
})

process.stdin.resume()
process.stdin.on('end', () => bugout.destroy(() => process.exit(0)))
