/* notls.c - tls.h for a build without TLS: there never is any */
#include "tls.h"

#include <stdio.h>

bool tls_built(void)
{
	return false;
}

size_t tls_size(const struct tls_options *options)
{
	(void)options;
	return 0;
}

struct tls *tls_init(void *memory, const struct tls_options *options)
{
	(void)memory;
	(void)options;
	return NULL;
}

bool tls_load(struct tls *tls, const struct tls_text *texts, size_t count, size_t *pair,
    char error[static TLS_ERROR_MAX])
{
	(void)tls;
	(void)texts;
	(void)count;
	*pair = 0;
	snprintf(error, TLS_ERROR_MAX, "this program was built without TLS");
	return false;
}

int64_t tls_not_after(const struct tls *tls)
{
	(void)tls;
	return 0;
}

int64_t tls_not_before(const struct tls *tls)
{
	(void)tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	(void)tls;
}

int tls_record_size(const uint8_t *data, size_t length)
{
	(void)data;
	(void)length;
	return -1;
}

enum tls_result tls_input(struct tls *tls, uint32_t link, const uint8_t *record, size_t length,
    uint8_t plain[static TLS_PLAIN_MAX], size_t *plain_length, const struct tls_sink *sink)
{
	(void)tls;
	(void)link;
	(void)record;
	(void)length;
	(void)plain;
	(void)sink;
	*plain_length = 0;
	return TLS_FAILED;
}

enum tls_result tls_output(struct tls *tls, uint32_t link, const struct iovec *pieces, int count,
    const struct tls_sink *sink)
{
	(void)tls;
	(void)link;
	(void)pieces;
	(void)count;
	(void)sink;
	return TLS_FAILED;
}

void tls_close(struct tls *tls, uint32_t link, const struct tls_sink *sink)
{
	(void)tls;
	(void)link;
	(void)sink;
}

void tls_forget(struct tls *tls, uint32_t link)
{
	(void)tls;
	(void)link;
}

const struct tls_totals *tls_totals(const struct tls *tls)
{
	static const struct tls_totals none;

	(void)tls;
	return &none;
}
