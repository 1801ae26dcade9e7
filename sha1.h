/*
 * sha1.h - SHA-1 (FIPS 180-4), for the WebSocket handshake, and to see that a file is whole.
 *
 * Nothing here allocates or fails. SHA-1 is broken as a signature; RFC 6455
 * uses it only to show that the server has read the request, history.c only to
 * find what was damaged by accident.
 */
#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20

struct sha1 {
	uint32_t state[5];
	uint64_t length;    /* bytes hashed so far */
	uint8_t block[64];  /* the last, incomplete block: length % 64 bytes */
};

/* Prepare for a new message. */
void sha1_init(struct sha1 *sha1);

/* Append len bytes of the message; any split gives the same digest. */
void sha1_update(struct sha1 *sha1, const void *data, size_t len);

/* Write the digest. The object must be initialised again before reuse. */
void sha1_final(struct sha1 *sha1, uint8_t digest[static SHA1_SIZE]);

#endif
