/* site.c - see site.h */
#include "site.h"

#include <string.h>

#include "dashboard.h"
#include "metrics.h"
#include "page.h"
#include "text.h"
#include "ws.h"

#define LOCATION_MAX 256        /* bytes of host and target in a redirect */
#define TEXT_TYPE "text/plain; charset=utf-8"
#define JSON_TYPE "application/json"
#define HTML_TYPE "text/html; charset=utf-8"
#define ANYBODY "Access-Control-Allow-Origin: *\r\n"
#define BY_ACCEPT "Vary: Accept\r\n"  /* one form of /stats must not be served for another */
#define NOT_KEPT "Cache-Control: no-store\r\n"

/* RFC 9110, 7.8 and 15.5.22; RFC 6455, 4.4. */
#define ASK_UPGRADE "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

static const char *explanation(int status)
{
	switch (status) {
	case 400: return "Bad request.\n";
	case 308: return "This tracker speaks TLS only: use https.\n";
	case 403: return "This tracker speaks TLS only: use wss:// instead of ws://.\n";
	case 404: return "There is nothing here. This is a WebTorrent tracker: clients reach it by "
		"WebSocket (ws:// or wss://) at this host and port, on any path.\n";
	case 405: return "Only GET and HEAD are served here.\n";
	case 408: return "The request took too long.\n";
	case 413: return "A request must have no body.\n";
	case 426: return "This request did not ask for an upgrade to WebSocket, version 13. A proxy "
		"must pass on the headers Upgrade and Connection.\n";
	case 429: return "There are as many connections from your address as there may be. "
		"Try again later.\n";
	case 431: return "The request's head is too large.\n";
	case 503: return "The tracker is full: it has as many connections, or buffers, as it may. "
		"Try again later.\n";
	case 505: return "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n";
	default: return "";
	}
}

/* An answer that says in words what its status means. */
static void explain(struct site_answer *answer, int status, bool keep_alive)
{
	answer->status = status;
	answer->keep_alive = keep_alive;
	answer->type = TEXT_TYPE;
	answer->body = explanation(status);
	answer->length = strlen(answer->body);
}

static void add_headers(struct site_answer *answer, const char *lines)
{
	strncat(answer->headers, lines, sizeof answer->headers - strlen(answer->headers) - 1);
}

void site_refuse(int status, struct site_answer *answer)
{
	*answer = (struct site_answer){ 0 };
	explain(answer, status, false);
	if (status == 429 || status == 503)
		add_headers(answer, "Retry-After: 60\r\n");
}

static bool slice_is(struct http_slice slice, const char *string)
{
	return slice.len == strlen(string) && memcmp(slice.text, string, slice.len) == 0;
}

/* RFC 6455, 4.2. */
static void upgrade(const struct http_request *request, enum site_door door,
    struct site_answer *answer)
{
	char accept[WS_ACCEPT_SIZE + 1] = { 0 };

	if (request->websocket_version.text == NULL ||
	    !slice_is(request->websocket_version, "13")) {
		explain(answer, 426, request->keep_alive);
		add_headers(answer, ASK_UPGRADE);
	} else if (request->websocket_key.text == NULL ||
	    !ws_accept(request->websocket_key.text, request->websocket_key.len, accept)) {
		explain(answer, 400, false);
	} else if (door == SITE_FULL || door == SITE_CROWDED) {
		site_refuse(door == SITE_FULL ? 503 : 429, answer);
	} else if (door == SITE_TLS_ONLY) {
		explain(answer, 403, false);
	} else {
		answer->status = 101;
		answer->body = "";
		answer->keep_alive = true;
		add_headers(answer, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: ");
		add_headers(answer, accept);
		add_headers(answer, "\r\n");
	}
}

static bool is_host(struct http_slice host)
{
	size_t i;

	for (i = 0; i < host.len; i++) {
		char c = host.text[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(".:-_[]", c) == NULL))
			return false;
	}
	return host.len > 0;
}

/* To the same place by https; the same port speaks it. */
static void redirect(const struct http_request *request, struct site_answer *answer)
{
	struct text line = TEXT_IN(answer->headers);

	if (!is_host(request->host) || request->host.len + request->target.len > LOCATION_MAX) {
		explain(answer, 403, false);
		return;
	}
	explain(answer, 308, request->keep_alive);
	text_add(&line, "Location: https://");
	text_add_bytes(&line, request->host.text, request->host.len);
	text_add_bytes(&line, request->target.text, request->target.len);
	text_add(&line, "\r\n");
	text_end(&line);
}

static void serve(struct site_answer *answer, const char *type, const char *headers,
    const char *body, size_t length)
{
	answer->status = 200;
	answer->type = type;
	add_headers(answer, headers);
	answer->body = body;
	answer->length = length;
}

static void serve_landing(const struct site *site, struct site_answer *answer)
{
	if (site->page != NULL)
		serve(answer, HTML_TYPE, "", site->page, site->page_size);
	else
		serve(answer, HTML_TYPE, "Content-Security-Policy: frame-ancestors 'none'\r\n"
		    "Referrer-Policy: no-referrer\r\n", (const char *)page_index,
		    sizeof page_index);
}

static void show(struct site_answer *answer, enum site_show what, const char *type,
    const char *headers)
{
	serve(answer, type, headers, "", 0);
	answer->show = what;
}

static void show_page(struct site_answer *answer, enum site_show range)
{
	show(answer, range, HTML_TYPE, "Cache-Control: max-age=30\r\n" ANYBODY BY_ACCEPT);
	add_headers(answer, dashboard_policy());
}

/* Returns whether there is such a path. */
static bool serve_stats(const struct site *site, const struct http_request *request,
    struct site_answer *answer)
{
	bool main = slice_is(request->path, "/stats");

	if (slice_is(request->path, "/stats.json") ||
	    (main && request->accepts_json && !request->accepts_html))
		show(answer, SITE_JSON, JSON_TYPE, ANYBODY BY_ACCEPT);
	else if (main && !request->accepts_html)
		show(answer, SITE_LINES, HTML_TYPE, "Cache-Control: max-age=30\r\n" ANYBODY
		    BY_ACCEPT);
	else if (main)
		show_page(answer, SITE_HOUR);
	else if (slice_is(request->path, "/stats/day"))
		show_page(answer, SITE_DAY);
	else if (slice_is(request->path, "/stats/month"))
		show_page(answer, SITE_MONTH);
	else if (slice_is(request->path, "/stats/history.json"))
		show(answer, SITE_HISTORY, JSON_TYPE, "Cache-Control: max-age=30\r\n" ANYBODY);
	else if (site->torrents && slice_is(request->path, "/stats/torrents.json"))
		show(answer, SITE_TORRENTS, JSON_TYPE, ANYBODY);
	else
		return false;
	return true;
}

static void serve_path(const struct site *site, const struct http_request *request,
    enum site_door door, struct site_answer *answer)
{
	if (site->landing && slice_is(request->path, "/"))
		serve_landing(site, answer);
	else if ((site->metrics || door == SITE_MONITOR) && slice_is(request->path, "/metrics"))
		show(answer, SITE_METRICS, METRICS_TYPE, NOT_KEPT);
	else if (!site->stats || !serve_stats(site, request, answer))
		explain(answer, 404, answer->keep_alive);
}

void site_answer(const struct site *site, const struct http_request *request,
    enum site_door door, struct site_answer *answer)
{
	*answer = (struct site_answer){ .keep_alive = request->keep_alive };
	if (request->method == HTTP_OTHER) {
		explain(answer, 405, request->keep_alive && !request->body);
		add_headers(answer, "Allow: GET, HEAD\r\n");
	} else if (request->body) {
		explain(answer, 413, false);
	} else if (request->upgrade && request->method == HTTP_GET && door != SITE_MONITOR) {
		upgrade(request, door, answer);
	} else if (slice_is(request->path, "/health")) {
		/* Whoever asks is told, also by the door. */
		show(answer, SITE_HEALTH, TEXT_TYPE, NOT_KEPT);
		answer->keep_alive &= door != SITE_FULL && door != SITE_CROWDED;
	} else if (door == SITE_FULL || door == SITE_CROWDED) {
		site_refuse(door == SITE_FULL ? 503 : 429, answer);
	} else if (door == SITE_TLS_ONLY) {
		redirect(request, answer);
	} else if (request->websocket_key.text != NULL && door != SITE_MONITOR) {
		/* A proxy took the upgrade away. */
		explain(answer, 426, request->keep_alive);
		add_headers(answer, ASK_UPGRADE);
	} else {
		serve_path(site, request, door, answer);
	}
}
