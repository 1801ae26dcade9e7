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

#define SITE_HEADERS_MAX 640

struct site {
	bool stats;             /* serve /stats and what is below it */
	bool torrents;          /* and /stats/torrents.json */
	bool metrics;           /* serve /metrics to everybody */
	bool landing;           /* serve a page at / */
	const char *page;       /* that page, or NULL for the built-in one */
	size_t page_size;
};

/* Whom the server takes at the moment. */
enum site_door {
	SITE_OPEN,
	SITE_FULL,              /* nobody: it has as many connections as it may */
	SITE_CROWDED,           /* nobody from this address, for that reason */
	SITE_TLS_ONLY,          /* nobody who came without TLS, as this one did */
	SITE_MONITOR            /* the port for metrics: no peers */
};

/* What a body is yet to be made of, by who has the numbers. */
enum site_show {
	SITE_READY,             /* nothing: it is there */
	SITE_OWN,               /* nothing: it is the program's own */
	SITE_JSON,              /* /stats.json */
	SITE_LINES,             /* /stats for scripts */
	SITE_HOUR, SITE_DAY, SITE_MONTH,        /* /stats for browsers */
	SITE_HISTORY,
	SITE_METRICS,
	SITE_TORRENTS,          /* may become 400 */
	SITE_HEALTH             /* may become 503 */
};

struct site_answer {
	int status;             /* 101: from here on it is a WebSocket */
	bool keep_alive;
	const char *type;       /* Content-Type, NULL for 101 */
	char headers[SITE_HEADERS_MAX];     /* further whole lines, or "" */
	enum site_show show;
	const char *body;       /* constant, or the site's page */
	size_t length;          /* a HEAD request is told this too, but gets no body */
};

/* Answer a request. */
void site_answer(const struct site *site, const struct http_request *request,
    enum site_door door, struct site_answer *answer);

/* Answer what is no proper request, with a status of http_head_parse, 408, 429 (crowded) or 503
 * (full); or what turned out to be none when it was to be shown. */
void site_refuse(int status, struct site_answer *answer);

#endif
