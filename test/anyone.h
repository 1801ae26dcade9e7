/*
 * anyone.h - a client's judgement of certificates that takes any, for BearSSL.
 *
 * It keeps the first of a chain, the server's own, of which the key is needed; the rest is only
 * counted. `engine` gets it by anyone_use, and it must stay where it is.
 */
#ifndef ANYONE_H
#define ANYONE_H

#include <bearssl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ANYONE_OWN_MAX 4096

struct anyone {
	const br_x509_class *class;
	br_x509_decoder_context decoder;
	unsigned count;                 /* of certificates, 0 as long as none was shown */
	size_t own_size;
	uint8_t own[ANYONE_OWN_MAX];
};

static inline struct anyone *anyone_of(const br_x509_class **context)
{
	return (struct anyone *)(void *)context;
}

static inline void anyone_start(const br_x509_class **context, const char *name)
{
	(void)name;
	anyone_of(context)->count = 0;
	anyone_of(context)->own_size = 0;
	br_x509_decoder_init(&anyone_of(context)->decoder, NULL, NULL);
}

static inline void anyone_certificate(const br_x509_class **context, uint32_t length)
{
	(void)context;
	(void)length;
}

/* What is longer than there is room for ends unread, and its handshake in an error. */
static inline void anyone_append(const br_x509_class **context, const unsigned char *bytes,
    size_t length)
{
	struct anyone *anyone = anyone_of(context);

	if (anyone->count > 0 || length > sizeof anyone->own - anyone->own_size)
		return;
	memcpy(anyone->own + anyone->own_size, bytes, length);
	anyone->own_size += length;
	br_x509_decoder_push(&anyone->decoder, bytes, length);
}

static inline void anyone_certificate_end(const br_x509_class **context)
{
	anyone_of(context)->count++;
}

static inline unsigned anyone_end(const br_x509_class **context)
{
	return (unsigned)br_x509_decoder_last_error(&anyone_of(context)->decoder);
}

static inline const br_x509_pkey *anyone_key(const br_x509_class *const *context, unsigned *usages)
{
	struct anyone *anyone = (struct anyone *)(uintptr_t)context;

	if (usages != NULL)
		*usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
	return br_x509_decoder_get_pkey(&anyone->decoder);
}

static const br_x509_class anyone_class = { sizeof(struct anyone), anyone_start,
	anyone_certificate, anyone_append, anyone_certificate_end, anyone_end, anyone_key };

static inline void anyone_use(struct anyone *anyone, br_ssl_engine_context *engine)
{
	anyone->class = &anyone_class;
	anyone->count = 0;
	br_ssl_engine_set_x509(engine, &anyone->class);
}

#endif
