/* certificates.mjs - authorities and the certificates of servers, made with openssl */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const KINDS = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'], rsa: ['rsa:2048'] }
const AUTHORITY = 'basicConstraints = critical,CA:TRUE'
const SERVER = 'subjectAltName = IP:127.0.0.1,DNS:localhost'

const openssl = (...args) => promisify(execFile)('openssl', args)

/* Makes PATH.key and PATH.pem, signed by what is at signer, or by itself. */
async function sign(path, kind, extension, signer) {
	await writeFile(`${path}.extensions`, extension)
	await openssl('req', '-new', '-nodes', '-newkey', ...KINDS[kind], '-out', `${path}.request`,
		'-keyout', `${path}.key`, '-subj', `/CN=${path.split('/').pop()}`)
	const by = signer
		? ['-CA', `${signer}.pem`, '-CAkey', `${signer}.key`, '-CAcreateserial']
		: ['-signkey', `${path}.key`]
	await openssl('x509', '-req', '-in', `${path}.request`, '-out', `${path}.pem`,
		'-days', '30', '-extfile', `${path}.extensions`, ...by)
}

/*
 * A certificate for 127.0.0.1 in a chain such as public authorities give: clients know the root,
 * the server has to send who issued its own. Gives names of files, and the issuer's name.
 */
export async function certify(directory, name, kind = 'ec') {
	const path = who => join(directory, `${name} ${who}`)
	await sign(path('root'), 'ec', AUTHORITY)
	await sign(path('issuer'), 'ec', AUTHORITY, path('root'))
	await sign(path('server'), kind, SERVER, path('issuer'))
	const parts = [path('server'), path('issuer')].map(part => readFile(`${part}.pem`, 'utf8'))
	const chain = path('chain.pem')
	await writeFile(chain, (await Promise.all(parts)).join(''))
	return { chain, key: `${path('server')}.key`, root: `${path('root')}.pem`,
		issuer: `${name} issuer` }
}
