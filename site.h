/*
 * site.h - what each HTTP request is answered with: pages, statistics, refusals, the WebSocket
 * upgrade.
 *
 * Pure: a request goes in, the answer's parts come out. Nothing of a request is ever echoed.
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

struct site_answer {
	int status;             /* 101: from here on it is a WebSocket */
	bool keep_alive;
	const char *type;       /* Content-Type, NULL for 101 */
	char headers[SITE_HEADERS_MAX];     /* further whole lines, or "" */
	const char *body;       /* constant, the site's page, or in the caller's scratch memory */
	size_t length;          /* a HEAD request is told this too, but gets no body */
};

/* Answer a request. full: there is no room for a further WebSocket. scratch has STATS_TEXT_MAX
 * bytes. */
void site_answer(const struct site *site, const struct http_request *request,
    const struct stats_numbers *numbers, bool full, char *scratch, struct site_answer *answer);

/* Answer what is no proper request, with a status of http_head_parse, 408, or 503 (full). */
void site_refuse(int status, struct site_answer *answer);

#endif
