/* notls.c - in place of tls.c, trial.c and secure.c in a build without TLS */
#include "inside.h"

#include <stdio.h>

#include "trial.h"

/* What tls.h and trial.h say: there is no TLS, and none can be had. */

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

bool tls_doubts(const struct tls *tls, size_t pair, struct tls_doubts *doubts)
{
	(void)tls;
	(void)pair;
	(void)doubts;
	return false;
}

void tls_free(struct tls *tls)
{
	(void)tls;
}

struct tls_totals tls_totals(const struct tls *tls)
{
	(void)tls;
	return (struct tls_totals){ 0 };
}

size_t trial_size(void)
{
	return 0;
}

bool trial_images(void *memory)
{
	(void)memory;
	return false;
}

/* What inside.h says of connections that speak TLS: there are none, so nobody calls these. */

void secure_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length)
{
	(void)data;
	(void)length;
	conn_doom(server, number, COUNT_ENDED_PROTOCOL);
}

void secure_resume(struct uwt_server *server, uint32_t number)
{
	conn_doom(server, number, COUNT_ENDED_PROTOCOL);
}

bool secure_is_late(const struct uwt_server *server, uint32_t number)
{
	(void)server;
	(void)number;
	return false;
}

int64_t secure_queue_wait(const struct uwt_server *server)
{
	(void)server;
	return -1;
}

void secure_run_queue(struct uwt_server *server)
{
	(void)server;
}

bool secure_flush(struct uwt_server *server, uint32_t number)
{
	(void)server;
	(void)number;
	return false;
}

ssize_t secure_send(struct uwt_server *server, uint32_t number, const struct msg_slice *pieces,
    size_t count)
{
	(void)server;
	(void)number;
	(void)pieces;
	(void)count;
	return -1;
}

void secure_end(struct uwt_server *server, uint32_t number)
{
	(void)server;
	(void)number;
}

void secure_forget(struct uwt_server *server, uint32_t number)
{
	(void)server;
	(void)number;
}
