/*
 * site.h - what each HTTP request is answered with: pages, statistics, refusals, the WebSocket
 * upgrade.
 *
 * Pure: a request goes in, the answer's parts come out. Nothing of a request is echoed, but in the
 * Location of a redirect its host and target, checked.
 */
#ifndef SITE_H
#define SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "stats.h"

#define SITE_HEADERS_MAX 320

struct site {
	bool stats;             /* serve /stats and /stats.json */
	bool landing;           /* serve a page at / */
	const char *page;       /* that page, or NULL for the built-in one */
	size_t page_size;
};

/* Whom the server takes at the moment. */
enum site_door {
	SITE_OPEN,
	SITE_FULL,              /* nobody: it has as many connections as it may */
	SITE_CROWDED,           /* nobody from this address, for that reason */
	SITE_TLS_ONLY           /* nobody who came without TLS, as this one did */
};

struct site_answer {
	int status;             /* 101: from here on it is a WebSocket */
	bool keep_alive;
	const char *type;       /* Content-Type, NULL for 101 */
	char headers[SITE_HEADERS_MAX];     /* further whole lines, or "" */
	const char *body;       /* constant, the site's page, or in the caller's scratch memory */
	size_t length;          /* a HEAD request is told this too, but gets no body */
};

/* Answer a request. scratch has STATS_TEXT_MAX bytes. */
void site_answer(const struct site *site, const struct http_request *request,
    const struct stats_numbers *numbers, enum site_door door, char *scratch,
    struct site_answer *answer);

/* Answer what is no proper request, with a status of http_head_parse, 408, 429 (crowded) or 503 (full). */
void site_refuse(int status, struct site_answer *answer);

#endif
