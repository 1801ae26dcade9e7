/*
 * tls.h - TLS 1.2 (RFC 5246) for a server: records in, plaintext out, and the other way round.
 *
 * No descriptor, no allocation per record. One working context and one pair of record buffers serve
 * all links in turn: between two records the buffers hold nothing. While a link's handshake goes on
 * it has a whole context in a slot; afterwards only an image is kept (image.h).
 *
 * A link is a connection's number, from 1. The caller collects the bytes of a record until it is
 * whole, which tls_record_size tells, and hands over one whole record at a time. What is to be sent
 * goes to a function of the caller's, which copies it. Suites: ECDHE with AES-GCM or
 * ChaCha20-Poly1305, X25519 and P-256.
 */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define TLS_HANDSHAKE_BYTE 0x16     /* what a connection that speaks TLS begins with */
#define TLS_ERROR_MAX 256
#define TLS_RECORD_MAX 18437        /* bytes of the longest record, with its head */
#define TLS_PLAIN_MAX 16384         /* of plaintext in one record */

struct tls_options {
	uint32_t links;             /* link numbers are 1 to links */
	uint32_t handshakes;        /* at a time */
	uint32_t sessions;          /* remembered for resumption; 0: none */
	bool whole;                 /* keep whole contexts: images do not work (trial.h) */
};

/* Counted since the start. */
struct tls_totals {
	uint64_t handshakes;        /* completed, resumptions included */
	uint64_t resumptions;
	uint64_t failures;          /* handshakes that did not come to an end */
	uint32_t open;              /* links with a handshake or an image now */
	uint32_t handshaking;
	uint64_t image_bytes;       /* of memory that images take now */
};

enum tls_result {
	TLS_HANDSHAKE,      /* the handshake goes on */
	TLS_OPEN,           /* established */
	TLS_CLOSED,         /* the peer has said that it ends, and was answered; forgotten */
	/* broken, or there is no randomness or memory: forgotten. An alert was written, but not to
	 * answer one */
	TLS_FAILED,
	TLS_FULL            /* no room for a further handshake: nothing was done */
};

struct tls;

size_t tls_size(const struct tls_options *options);

/* Set up in tls_size bytes of zeros, which stay the caller's. */
struct tls *tls_init(void *memory, const struct tls_options *options);

/* Is there TLS in this build? */
bool tls_built(void);

/* The texts of a certificate chain and its key, in PEM; certificates first or last makes no
 * difference. */
struct tls_text {
	const char *certificates;
	size_t certificates_size;
	const char *key;
	size_t key_size;
};

/*
 * Serve these pairs from now on; the first is the default. Returns false with one line in error,
 * and in *pair which one is at fault; then those before stay in force. Links that are established
 * do not notice.
 */
bool tls_load(struct tls *tls, const struct tls_text *texts, size_t count, size_t *pair,
    char error[static TLS_ERROR_MAX]);

/* What a session is resumed by (RFC 5246, section 7.3). */
struct tls_session {
	uint8_t id[32], master[48];
	uint16_t suite;
};

/* Remember a session that a handshake did not make: for trials. False if there is no randomness. */
bool tls_remember(struct tls *tls, const struct tls_session *session);

/* When the first certificate to end does, in s since 1970; 0 without any. */
int64_t tls_not_after(const struct tls *tls);

/* What clients may mind in a pair that is served. */
struct tls_doubts {
	int64_t from, to;           /* when its certificate is valid, s since 1970 */
	bool alone;                 /* it was signed by another, which is not in the chain */
};

/* Of the pair of that place, from 0. False if there is none. */
bool tls_doubts(const struct tls *tls, size_t pair, struct tls_doubts *doubts);

/* Free what tls_load took. NULL is allowed. */
void tls_free(struct tls *tls);

/* How many bytes has the record that begins with these? 0: too few to tell. -1: it is no TLS record
 * that a client may send. */
int tls_record_size(const uint8_t *data, size_t length);

/* Where to put what is to be sent. */
struct tls_sink {
	void *context;
	void (*write)(void *context, const uint8_t *bytes, size_t length);
};

/*
 * Take one whole record of a link. The first one, which must hold a handshake's start, begins its
 * handshake. Plaintext that it held is written to plain, its size to *plain_length.
 */
enum tls_result tls_input(struct tls *tls, uint32_t link, const uint8_t *record, size_t length,
    uint8_t plain[static TLS_PLAIN_MAX], size_t *plain_length, const struct tls_sink *sink);

/* Encrypt pieces, one after the other, for an established link. */
enum tls_result tls_output(struct tls *tls, uint32_t link, const struct iovec *pieces, int count,
    const struct tls_sink *sink);

/* Say that this side ends, if the link is established. */
void tls_close(struct tls *tls, uint32_t link, const struct tls_sink *sink);

/* Forget a link. */
void tls_forget(struct tls *tls, uint32_t link);

struct tls_totals tls_totals(const struct tls *tls);

#endif
