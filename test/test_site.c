/* test_site.c - real request heads, and what each is answered with. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../dashboard.h"
#include "../page.h"
#include "../site.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define ECHO "Ech0"             /* stands in requests, must not in answers */
#define UPGRADE "Connection: Upgrade|Upgrade: websocket|"
#define VERSION "Sec-WebSocket-Version: 13|"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==|"

/* What a body is. */
enum body {
	NONE, WORDS, LANDING, OWN, JSON, LINES, PAGE, DAY, MONTH, HISTORY, METRICS, TORRENTS, HEALTH
};

static const char own_page[] = "<p>our own";

static const struct site usual = { .stats = true, .landing = true };

/* A site, a request to it, and its answer. */
struct scene {
	const struct site *site;
	enum site_door door;
	struct http_request request;
	struct site_answer answer;
};

static struct scene *scene_new(const struct site *site, enum site_door door)
{
	struct scene *scene = calloc(1, sizeof *scene);

	scene->site = site;
	scene->door = door;
	return scene;
}

static void scene_free(struct scene *scene)
{
	free(scene);
}

/* Whole lines, which fit a response's head with everything else in it. */
static bool headers_sound(const struct site_answer *answer)
{
	char out[HTTP_RESPONSE_HEAD_MAX];
	const char *at = answer->headers, *end;

	if (memchr(at, '\0', sizeof answer->headers) == NULL ||
	    strlen(at) >= sizeof answer->headers - 1)
		return false;
	for (; *at != '\0'; at = end + 2) {
		end = strstr(at, "\r\n");
		if (end == NULL || memchr(at, ':', (size_t)(end - at)) == NULL)
			return false;
	}
	for (uint8_t minor = 0; minor < 2; minor++) {
		struct http_response response = { .status = answer->status, .type = answer->type,
			.length = SIZE_MAX, .keep_alive = answer->keep_alive, .minor = minor,
			.headers = answer->headers };

		if (http_response_head(&response, out) == 0)
			return false;
	}
	return *http_reason(answer->status) != '\0';
}

static bool answer_sound(const struct site_answer *answer)
{
	if (answer->status == 101)
		return headers_sound(answer) && answer->type == NULL && answer->length == 0;
	if (!headers_sound(answer) || answer->type == NULL || answer->body == NULL)
		return false;
	for (size_t i = 0; i + strlen(ECHO) <= answer->length; i++) {
		if (memcmp(answer->body + i, ECHO, strlen(ECHO)) == 0)
			return false;
	}
	return strstr(answer->headers, ECHO) == NULL;
}

/* Ask with a head in which | ends a line. */
static void ask(struct scene *scene, const char *text)
{
	char head[1024], *copy;
	size_t length = 0;

	for (; *text != '\0'; text++) {
		if (*text == '|')
			head[length++] = '\r';
		head[length++] = *text == '|' ? '\n' : *text;
	}
	memcpy(head + length, "X-Test: " ECHO "\r\n\r\n", 16);
	length += 16;
	copy = guard_copy(head, length);
	CHECK(http_head_parse(copy, length, &scene->request) == 200);
	memset(&scene->answer, 0x5a, sizeof scene->answer);
	site_answer(scene->site, &scene->request, scene->door, &scene->answer);
	guard_free(copy, length);
	CHECK(answer_sound(&scene->answer));
}

/* Is it to be shown, with this type? */
static bool shows(const struct site_answer *answer, enum site_show show, const char *type)
{
	return answer->show == show && answer->length == 0 && strcmp(answer->type, type) == 0;
}

static bool body_is(const struct scene *scene, enum body body)
{
	const struct site_answer *answer = &scene->answer;

	if (body <= OWN && answer->show != SITE_READY)
		return false;
	switch (body) {
	case NONE: return answer->length == 0;
	case WORDS: return strcmp(answer->type, "text/plain; charset=utf-8") == 0 &&
		answer->length > 0 && strlen(answer->body) == answer->length &&
		answer->body[answer->length - 1] == '\n';
	case LANDING: return strcmp(answer->type, "text/html; charset=utf-8") == 0 &&
		answer->length == sizeof page_index &&
		memcmp(answer->body, page_index, sizeof page_index) == 0;
	case OWN: return strcmp(answer->type, "text/html; charset=utf-8") == 0 &&
		answer->body == own_page && answer->length == sizeof own_page - 1;
	case JSON: return shows(answer, SITE_JSON, "application/json");
	case LINES: return shows(answer, SITE_LINES, "text/html; charset=utf-8");
	case PAGE: return shows(answer, SITE_HOUR, "text/html; charset=utf-8");
	case DAY: return shows(answer, SITE_DAY, "text/html; charset=utf-8");
	case MONTH: return shows(answer, SITE_MONTH, "text/html; charset=utf-8");
	case HISTORY: return shows(answer, SITE_HISTORY, "application/json");
	case METRICS: return shows(answer, SITE_METRICS,
		"text/plain; version=0.0.4; charset=utf-8");
	case TORRENTS: return shows(answer, SITE_TORRENTS, "application/json");
	case HEALTH: return shows(answer, SITE_HEALTH, "text/plain; charset=utf-8");
	}
	return false;
}

struct expected {
	const char *head;
	int status;
	bool keep_alive;
	enum body body;
};

static bool answered(struct scene *scene, const struct expected *expected)
{
	bool right;

	ask(scene, expected->head);
	right = scene->answer.status == expected->status &&
	    scene->answer.keep_alive == expected->keep_alive && body_is(scene, expected->body);
	if (!right)
		printf("%s: %d %s\n", expected->head, scene->answer.status, scene->answer.headers);
	return right;
}

/* Does the answer have this header, a line of its own? */
static bool says(const struct scene *scene, const char *line)
{
	const char *at = strstr(scene->answer.headers, line);

	return at != NULL && (at == scene->answer.headers || at[-1] == '\n') &&
	    strncmp(at + strlen(line), "\r\n", 2) == 0;
}

static bool body_says(const struct scene *scene, const char *words)
{
	return strstr(scene->answer.body, words) != NULL;
}

/* -- pages ----------------------------------------------------------------------------- */

static void landing(void)
{
	static const struct expected cases[] = {
		{ "GET / HTTP/1.1|", 200, true, LANDING },
		{ "GET / HTTP/1.1|Accept: text/html|", 200, true, LANDING },
		{ "GET / HTTP/1.1|Accept: application/json|", 200, true, LANDING },
		{ "GET /?" ECHO "=1 HTTP/1.1|", 200, true, LANDING },
		{ "GET http://" ECHO " HTTP/1.1|", 200, true, LANDING },
		{ "GET http://" ECHO "?x HTTP/1.1|", 200, true, LANDING },
		{ "HEAD / HTTP/1.1|", 200, true, LANDING },
		{ "GET / HTTP/1.1|Content-Length: 0|", 200, true, LANDING },
		{ "GET / HTTP/1.1|Connection: close|", 200, false, LANDING },
		{ "GET / HTTP/1.0|", 200, false, LANDING },
		{ "GET / HTTP/1.0|Connection: keep-alive|", 200, true, LANDING }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(scene, &cases[i]));
		CHECK(says(scene, "Content-Security-Policy: frame-ancestors 'none'"));
		CHECK(says(scene, "Referrer-Policy: no-referrer"));
	}
	scene_free(scene);
}

static void landing_of_others(void)
{
	static const struct site own = { .stats = true, .landing = true, .page = own_page,
		.page_size = sizeof own_page - 1 };
	static const struct site empty = { .stats = true, .landing = true, .page = own_page };
	static const struct site none = { .stats = true };
	struct scene *scene = scene_new(&own, SITE_OPEN);

	CHECK(answered(scene, &(struct expected){ "GET / HTTP/1.1|", 200, true, OWN }));
	CHECK(scene->answer.headers[0] == '\0');        /* it may hold what ours must not */
	scene->site = &empty;
	CHECK(answered(scene, &(struct expected){ "GET / HTTP/1.1|", 200, true, NONE }));
	scene->site = &none;
	CHECK(answered(scene, &(struct expected){ "GET / HTTP/1.1|", 404, true, WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats HTTP/1.1|", 200, true, LINES }));
	scene_free(scene);
}

static void stats(void)
{
	static const struct expected cases[] = {
		{ "GET /stats HTTP/1.1|", 200, true, LINES },
		{ "GET /stats HTTP/1.1|Accept: */*|", 200, true, LINES },
		{ "GET /stats HTTP/1.1|Accept: text/*|", 200, true, LINES },
		{ "GET /stats HTTP/1.1|Accept: text/html|", 200, true, PAGE },
		{ "GET /stats HTTP/1.1|Accept: image/png, TEXT/HTML;q=0.9|", 200, true, PAGE },
		{ "GET /stats HTTP/1.1|Accept: application/json|", 200, true, JSON },
		{ "GET /stats HTTP/1.1|Accept: application/json, */*|", 200, true, JSON },
		{ "GET /stats HTTP/1.1|Accept: application/json, text/html|", 200, true, PAGE },
		{ "GET /stats HTTP/1.1|Accept: text/html|Accept: application/json|",
		    200, true, PAGE },
		{ "GET /stats?" ECHO " HTTP/1.1|Accept: text/html|", 200, true, PAGE },
		{ "HEAD /stats HTTP/1.1|Accept: text/html|", 200, true, PAGE },
		{ "HEAD /stats HTTP/1.1|", 200, true, LINES },
		{ "GET /stats.json HTTP/1.1|", 200, true, JSON },
		{ "GET /stats.json HTTP/1.1|Accept: text/html|", 200, true, JSON },
		{ "GET /stats.json?x HTTP/1.0|", 200, false, JSON },
		{ "HEAD /stats.json HTTP/1.1|Connection: close|", 200, false, JSON }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(scene, &cases[i]));
		CHECK(says(scene, "Access-Control-Allow-Origin: *"));
		CHECK(says(scene, "Cache-Control: max-age=30") == (cases[i].body != JSON));
		CHECK(says(scene, "Vary: Accept"));
		CHECK((strstr(scene->answer.headers, dashboard_policy()) != NULL) ==
		    (cases[i].body == PAGE));
	}
	scene_free(scene);
}

/* What is below /stats. */
static void pages_of_stats(void)
{
	static const struct expected cases[] = {
		{ "GET /stats/day HTTP/1.1|", 200, true, DAY },
		{ "GET /stats/day?" ECHO " HTTP/1.1|Accept: application/json|", 200, true, DAY },
		{ "HEAD /stats/month HTTP/1.1|Connection: close|", 200, false, MONTH },
		{ "GET /stats/history.json HTTP/1.1|Accept: text/html|", 200, true, HISTORY },
		{ "GET /stats/torrents.json HTTP/1.1|", 404, true, WORDS },
		{ "GET /stats/week HTTP/1.1|", 404, true, WORDS },
		{ "GET /metrics HTTP/1.1|", 404, true, WORDS }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(scene, &cases[i]));
		CHECK((strstr(scene->answer.headers, dashboard_policy()) != NULL) ==
		    (cases[i].body == DAY || cases[i].body == MONTH));
		CHECK(says(scene, "Access-Control-Allow-Origin: *") ==
		    (cases[i].status == 200));
	}
	scene_free(scene);
}

static void torrents(void)
{
	static const struct site site = { .stats = true, .torrents = true };
	struct scene *scene = scene_new(&site, SITE_OPEN);

	CHECK(answered(scene, &(struct expected){
	    "GET /stats/torrents.json?sort=peers&limit=3 HTTP/1.1|", 200, true, TORRENTS }));
	scene_free(scene);
}

/* Who watches the server is served at a port for that, or by everybody's. */
static void monitors(void)
{
	static const struct site site = { .metrics = true };
	static const struct expected cases[] = {
		{ "GET /metrics HTTP/1.1|", 200, true, METRICS },
		{ "GET /metrics HTTP/1.1|Accept: text/html|", 200, true, METRICS },
		{ "HEAD /metrics?" ECHO " HTTP/1.1|", 200, true, METRICS },
		{ "GET /metrics/ HTTP/1.1|", 404, true, WORDS },
		{ "GET /health HTTP/1.1|", 200, true, HEALTH }
	};
	struct scene *public = scene_new(&site, SITE_OPEN);
	struct scene *own = scene_new(&usual, SITE_MONITOR);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(public, &cases[i]));
		CHECK(answered(own, &cases[i]));
		CHECK(says(own, "Cache-Control: no-store") == (cases[i].status == 200));
	}
	CHECK(answered(public, &(struct expected){ "GET / HTTP/1.1|" UPGRADE VERSION KEY,
	    101, true, NONE }));
	CHECK(answered(own, &(struct expected){ "GET /x HTTP/1.1|" UPGRADE VERSION KEY,
	    404, true, WORDS }));
	CHECK(answered(own, &(struct expected){ "GET /stats HTTP/1.1|", 200, true, LINES }));
	scene_free(public);
	scene_free(own);
}

/* /health is answered whoever asks, and those who came one too many go with it. */
static void health(void)
{
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (int door = SITE_OPEN; door <= SITE_MONITOR; door++) {
		scene->door = (enum site_door)door;
		CHECK(answered(scene, &(struct expected){ "GET /health HTTP/1.1|", 200,
		    door != SITE_FULL && door != SITE_CROWDED, HEALTH }));
		CHECK(answered(scene, &(struct expected){ "POST /health HTTP/1.1|", 405, true,
		    WORDS }));
	}
	scene_free(scene);
}

static void no_stats(void)
{
	static const struct site site = { .landing = true, .torrents = true };
	struct scene *scene = scene_new(&site, SITE_OPEN);

	CHECK(answered(scene, &(struct expected){ "GET /stats HTTP/1.1|", 404, true, WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats HTTP/1.1|Accept: application/json|",
	    404, true, WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats.json HTTP/1.1|", 404, true, WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats/day HTTP/1.1|", 404, true, WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats/history.json HTTP/1.1|", 404, true,
	    WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /stats/torrents.json HTTP/1.1|", 404, true,
	    WORDS }));
	CHECK(answered(scene, &(struct expected){ "GET /health HTTP/1.1|", 200, true, HEALTH }));
	CHECK(answered(scene, &(struct expected){ "GET / HTTP/1.1|", 200, true, LANDING }));
	scene_free(scene);
}

/* Anything else: where the tracker is. */
static void not_found(void)
{
	static const char *const targets[] = {
		"/" ECHO, "/announce", "/scrape?info_hash=" ECHO, "/stats/", "/STATS", "/stats.jso",
		"/stats.jsonx", "/stat%73", "//stats", "/./stats", "/%2f", "//", "/favicon.ico",
		"http://stats/x", "/index.html", "/stats;x"
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);
	char head[128];

	for (size_t i = 0; i < COUNT(targets); i++) {
		snprintf(head, sizeof head, "GET %s HTTP/1.1|", targets[i]);
		CHECK(answered(scene, &(struct expected){ head, 404, true, WORDS }));
		CHECK(body_says(scene, "WebTorrent tracker") && body_says(scene, "ws://"));
		CHECK(scene->answer.headers[0] == '\0');
	}
	CHECK(answered(scene, &(struct expected){ "GET /x HTTP/1.0|", 404, false, WORDS }));
	CHECK(answered(scene, &(struct expected){ "HEAD /x HTTP/1.1|", 404, true, WORDS }));
	scene_free(scene);
}

/* -- refusals -------------------------------------------------------------------------- */

static void methods(void)
{
	static const struct expected cases[] = {
		{ "POST / HTTP/1.1|", 405, true, WORDS },
		{ "POST /stats HTTP/1.1|Content-Length: 0|", 405, true, WORDS },
		{ "POST / HTTP/1.1|Content-Length: 5|", 405, false, WORDS },
		{ "PUT / HTTP/1.1|Connection: close|", 405, false, WORDS },
		{ "DELETE /stats HTTP/1.0|", 405, false, WORDS },
		{ "OPTIONS * HTTP/1.1|", 405, true, WORDS },
		{ "CONNECT a:443 HTTP/1.1|", 405, true, WORDS },
		{ "get / HTTP/1.1|", 405, true, WORDS },
		{ "GETS / HTTP/1.1|", 405, true, WORDS },
		{ ECHO " / HTTP/1.1|", 405, true, WORDS },
		{ "POST / HTTP/1.1|" UPGRADE VERSION KEY, 405, true, WORDS }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (int door = SITE_OPEN; door <= SITE_TLS_ONLY; door++) {
		scene->door = (enum site_door)door;
		for (size_t i = 0; i < COUNT(cases); i++) {
			CHECK(answered(scene, &cases[i]));
			CHECK(says(scene, "Allow: GET, HEAD"));
		}
	}
	scene_free(scene);
}

static void bodies(void)
{
	static const struct expected cases[] = {
		{ "GET / HTTP/1.1|Content-Length: 5|", 413, false, WORDS },
		{ "HEAD / HTTP/1.1|Content-Length: 5|", 413, false, WORDS },
		{ "GET /" ECHO " HTTP/1.0|Content-Length: 1|Connection: keep-alive|",
		    413, false, WORDS },
		{ "GET / HTTP/1.1|Content-Length: 1|" UPGRADE VERSION KEY, 413, false, WORDS }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(answered(scene, &cases[i]));
	scene_free(scene);
}

static void refusals(void)
{
	static const int statuses[] = { 400, 408, 413, 431, 503, 505 };
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(statuses); i++) {
		memset(&scene->answer, 0x5a, sizeof scene->answer);
		site_refuse(statuses[i], &scene->answer);
		CHECK(answer_sound(&scene->answer));
		CHECK(scene->answer.status == statuses[i] && !scene->answer.keep_alive);
		CHECK(body_is(scene, WORDS));
		CHECK(says(scene, "Retry-After: 60") == (statuses[i] == 503));
	}
	scene_free(scene);
}

/* -- the handshake ---------------------------------------------------------------------- */

static void upgrades(void)
{
	static const struct expected cases[] = {
		{ "GET / HTTP/1.1|" UPGRADE VERSION KEY, 101, true, NONE },
		{ "GET /stats HTTP/1.1|" UPGRADE VERSION KEY, 101, true, NONE },
		{ "GET /" ECHO "/announce?x=y HTTP/1.1|" UPGRADE VERSION KEY, 101, true, NONE },
		{ "GET ws://a/ HTTP/1.1|" UPGRADE VERSION KEY, 101, true, NONE },
		{ "GET / HTTP/1.1|connection: keep-alive, upgrade|upgrade: WebSocket|" VERSION KEY,
		    101, true, NONE },
		{ "GET / HTTP/1.1|Connection: close, Upgrade|Upgrade: websocket|" VERSION KEY,
		    101, true, NONE },
		{ "GET / HTTP/1.1|Accept: text/html|Origin: https://" ECHO "|" UPGRADE VERSION KEY
		    "Sec-WebSocket-Extensions: permessage-deflate|"
		    "Sec-WebSocket-Protocol: " ECHO "|", 101, true, NONE }
	};
	static const struct site bare = { .stats = false };
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++) {
		scene->site = i % 2 == 0 ? &usual : &bare;
		CHECK(answered(scene, &cases[i]));
		CHECK(strcmp(scene->answer.headers, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") == 0);
	}
	scene_free(scene);
}

/* Another version, a proxy that took the upgrade away, HTTP/1.0 and HEAD: what it takes is said. */
static void upgrade_required(void)
{
	static const struct expected cases[] = {
		{ "GET / HTTP/1.1|" UPGRADE KEY, 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE KEY "Sec-WebSocket-Version: 8|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE KEY "Sec-WebSocket-Version: 130|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE KEY "Sec-WebSocket-Version: 1|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE KEY "Sec-WebSocket-Version: 8, 13|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE KEY "Sec-WebSocket-Version:|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE, 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE "Sec-WebSocket-Key: bad|", 426, true, WORDS },
		{ "GET / HTTP/1.1|" VERSION KEY, 426, true, WORDS },
		{ "GET /stats HTTP/1.1|" KEY, 426, true, WORDS },
		{ "GET /stats.json HTTP/1.1|Accept: application/json|" KEY, 426, true, WORDS },
		{ "GET /" ECHO " HTTP/1.1|Sec-WebSocket-Key: " ECHO "|", 426, true, WORDS },
		{ "GET / HTTP/1.1|Sec-WebSocket-Key:|", 426, true, WORDS },
		{ "GET / HTTP/1.1|Connection: close|" VERSION KEY, 426, false, WORDS },
		{ "GET / HTTP/1.1|Connection: Upgrade|" VERSION KEY, 426, true, WORDS },
		{ "GET / HTTP/1.1|Upgrade: websocket|" VERSION KEY, 426, true, WORDS },
		{ "GET / HTTP/1.1|Connection: Upgrade|Upgrade: h2c|" VERSION KEY,
		    426, true, WORDS },
		{ "GET / HTTP/1.0|" UPGRADE VERSION KEY, 426, false, WORDS },
		{ "HEAD / HTTP/1.1|" UPGRADE VERSION KEY, 426, true, WORDS }
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(scene, &cases[i]));
		CHECK(says(scene, "Sec-WebSocket-Version: 13"));
		CHECK(says(scene, "Upgrade: websocket") && says(scene, "Connection: Upgrade"));
		CHECK(body_says(scene, "WebSocket") && body_says(scene, "proxy"));
	}
	scene_free(scene);
}

static void bad_keys(void)
{
	static const char *const keys[] = {
		"", "Sec-WebSocket-Key:|", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ|",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=|",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==|",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===|",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==|",
		"Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ==|", "Sec-WebSocket-Key: " ECHO "|"
	};
	struct scene *scene = scene_new(&usual, SITE_OPEN);
	char head[300];

	for (size_t i = 0; i < COUNT(keys); i++) {
		snprintf(head, sizeof head, "GET / HTTP/1.1|" UPGRADE VERSION "%s", keys[i]);
		CHECK(answered(scene, &(struct expected){ head, 400, false, WORDS }));
		CHECK(scene->answer.headers[0] == '\0');
	}
	scene_free(scene);
}

/* No room: said to all but those whose request is wrong anyway. */
static void full(void)
{
	static const struct expected cases[] = {
		{ "GET / HTTP/1.1|" UPGRADE VERSION KEY, 503, false, WORDS },
		{ "GET / HTTP/1.1|", 503, false, WORDS },
		{ "HEAD / HTTP/1.1|", 503, false, WORDS },
		{ "GET /stats.json HTTP/1.1|", 503, false, WORDS },
		{ "GET /" ECHO " HTTP/1.1|", 503, false, WORDS }
	};
	static const struct expected wrong[] = {
		{ "GET / HTTP/1.1|" UPGRADE KEY, 426, true, WORDS },
		{ "GET / HTTP/1.1|" UPGRADE VERSION, 400, false, WORDS },
		{ "POST / HTTP/1.1|", 405, true, WORDS },
		{ "GET / HTTP/1.1|Content-Length: 1|", 413, false, WORDS }
	};
	struct scene *scene = scene_new(&usual, SITE_FULL);

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(answered(scene, &cases[i]));
		CHECK(strcmp(scene->answer.headers, "Retry-After: 60\r\n") == 0);
		CHECK(body_says(scene, "full"));
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK(answered(scene, &wrong[i]));
	scene_free(scene);
}

static void tls_only(void)
{
	static const struct expected refused[] = {
		{ "GET / HTTP/1.1|Host: a.example|" UPGRADE VERSION KEY, 403, false, WORDS },
		{ "GET / HTTP/1.1|", 403, false, WORDS },
		{ "GET / HTTP/1.1|Host: |", 403, false, WORDS },
		{ "GET / HTTP/1.1|Host: a/b|", 403, false, WORDS },
		{ "GET / HTTP/1.1|Host: a b|", 403, false, WORDS }
	};
	static const struct expected moved =
		{ "GET /stats?x HTTP/1.1|Host: a.example:8000|", 308, true, WORDS };
	static const struct expected moved_ipv6 = { "HEAD / HTTP/1.1|Host: [::1]:80|", 308, true, WORDS };
	struct scene *scene = scene_new(&usual, SITE_TLS_ONLY);
	char far[600];

	for (size_t i = 0; i < COUNT(refused); i++)
		CHECK(answered(scene, &refused[i]));
	CHECK(answered(scene, &moved));
	CHECK(strcmp(scene->answer.headers, "Location: https://a.example:8000/stats?x\r\n") == 0);
	CHECK(answered(scene, &moved_ipv6));
	CHECK(strcmp(scene->answer.headers, "Location: https://[::1]:80/\r\n") == 0);
	/* Too far: the head of an answer has room for so much. */
	snprintf(far, sizeof far, "GET /%0300d HTTP/1.1|Host: a.example|", 0);
	ask(scene, far);
	CHECK(scene->answer.status == 403);
	scene_free(scene);
}

int main(void)
{
	RUN(landing);
	RUN(landing_of_others);
	RUN(stats);
	RUN(pages_of_stats);
	RUN(torrents);
	RUN(monitors);
	RUN(health);
	RUN(no_stats);
	RUN(not_found);
	RUN(methods);
	RUN(bodies);
	RUN(refusals);
	RUN(upgrades);
	RUN(upgrade_required);
	RUN(bad_keys);
	RUN(full);
	RUN(tls_only);
	return test_end();
}
