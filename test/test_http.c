/* test_http.c - request heads, good and bad, at every split; response heads. */
#include "test.h"

#include <stdarg.h>
#include <string.h>

#include "../http.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool byte_is_token(int byte)
{
	return byte != '\0' && strchr(TOKEN, byte) != NULL;
}

/* A byte that a field's value may hold. */
static bool byte_is_text(int byte)
{
	return byte == '\t' || (byte >= 32 && byte != 127);
}

/* What a request was understood as, in one line. */
struct summary {
	char text[1024];
};

static void summary_add(struct summary *summary, const char *format, ...)
{
	size_t len = strlen(summary->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(summary->text + len, sizeof summary->text - len, format, arguments);
	va_end(arguments);
}

static void summary_slice(struct summary *summary, const char *name, struct http_slice slice)
{
	if (slice.text != NULL)
		summary_add(summary, " %s=[%.*s]%s", name, (int)slice.len, slice.text,
		    memchr(slice.text, '\0', slice.len) == NULL ? "" : " with NUL");
}

static struct summary summarise(int status, const struct http_request *request)
{
	static const char *const methods[] = {"GET", "HEAD", "OTHER"};
	struct summary summary = {""};

	if (status != 200) {
		summary_add(&summary, "%d", status);
		return summary;
	}
	summary_add(&summary, "%s 1.%d", methods[request->method], request->minor);
	summary_add(&summary, "%s%s", request->keep_alive ? " keep" : "",
	    request->upgrade ? " upgrade" : "");
	summary_add(&summary, "%s%s%s", request->body ? " body" : "",
	    request->accepts_html ? " html" : "", request->accepts_json ? " json" : "");
	summary_slice(&summary, "target", request->target);
	summary_slice(&summary, "path", request->path);
	summary_slice(&summary, "query", request->query);
	summary_slice(&summary, "host", request->host);
	summary_slice(&summary, "origin", request->origin);
	summary_slice(&summary, "forwarded", request->forwarded_for);
	summary_slice(&summary, "real", request->real_ip);
	summary_slice(&summary, "key", request->websocket_key);
	summary_slice(&summary, "version", request->websocket_version);
	return summary;
}

static struct summary head_parse(const char *head, size_t len)
{
	char *copy = guard_copy(head, len);
	struct http_request request;
	struct summary summary;

	memset(&request, 0xA5, sizeof request);
	summary = summarise(http_head_parse(copy, len, &request), &request);
	guard_free(copy, len);
	return summary;
}

static bool head_is(const char *head, size_t len, const char *expected)
{
	struct summary summary = head_parse(head, len);

	if (strcmp(summary.text, expected) != 0)
		printf("got      %s\nexpected %s\n", summary.text, expected);
	return strcmp(summary.text, expected) == 0;
}

/* What http_head_find says of a connection's bytes that come in pieces of the given sizes. */
struct found {
	enum http_find result;
	size_t used;   /* of all the bytes */
};

static struct found find_in_pieces(const char *data, size_t len, size_t first, size_t others)
{
	struct found found = {HTTP_PARTIAL, 0};
	size_t at = 0, size = first, used = 0;
	uint8_t state = 0;

	for (;;) {
		char *piece;

		size = size < len - at ? size : len - at;
		piece = guard_copy(data + at, size);
		found.result = http_head_find(piece, size, &state, &used);
		guard_free(piece, size);
		if (found.result == HTTP_FOUND) {
			found.used = at + used;
			CHECK(state == 0 && used > 0 && used <= size);
		}
		at += size;
		if (found.result != HTTP_PARTIAL || at == len)
			return found;
		size = others;
	}
}

static bool find_is(const char *data, size_t len, enum http_find result, size_t used)
{
	struct found found = find_in_pieces(data, len, len, 1);
	size_t i;

	if (found.result != result || found.used != used)
		return false;
	for (i = 0; i <= len; i++) {
		struct found split = find_in_pieces(data, len, i, len);

		if (split.result != result || split.used != used)
			return false;
	}
	for (i = 1; i < 12; i++) {
		struct found pieces = find_in_pieces(data, len, i, i);

		if (pieces.result != result || pieces.used != used)
			return false;
	}
	return true;
}

/* Was the head refused, if not for want of bytes then as the whole one is? */
static bool head_is_refused(const char *head, size_t len, const char *whole)
{
	struct summary summary = head_parse(head, len);

	return strcmp(summary.text, "400") == 0 ||
	    (strlen(summary.text) == 3 && strcmp(summary.text, whole) == 0);
}

/* All that holds of a whole head: where it ends, what it says, that no part of it is one. */
static void head_check(const char *head, const char *expected)
{
	size_t len = strlen(head), i;
	char more[4096];
	bool ok;

	ok = find_is(head, len, HTTP_FOUND, len) && head_is(head, len, expected);
	for (i = 0; i < len; i++)
		ok = ok && find_in_pieces(head, i, i, 1).result == HTTP_PARTIAL &&
		    head_is_refused(head, i, expected);
	snprintf(more, sizeof more, "%sGET /next HTTP/1.1\r\n\r\n", head);
	ok = ok && find_is(more, strlen(more), HTTP_FOUND, len) &&
	    head_is_refused(more, strlen(more), expected);
	if (!ok)
		printf("in %s", head);
	CHECK(ok);
}

static const char browser_head[] =
    "GET /announce?x=1 HTTP/1.1\r\nHost: tracker.example:8000\r\nConnection: Upgrade\r\n"
    "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n"
    "Upgrade: websocket\r\nOrigin: https://page.example\r\nSec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate\r\nAccept-Language: en,de;q=0.9\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

static const char browser_summary[] =
    "GET 1.1 keep upgrade target=[/announce?x=1] path=[/announce] query=[x=1]"
    " host=[tracker.example:8000] origin=[https://page.example]"
    " key=[dGhlIHNhbXBsZSBub25jZQ==] version=[13]";

/* Request line: methods, versions, forms of the target. */
static void request_lines(void)
{
	static const char *const cases[][2] = {
		{"GET / HTTP/1.1\r\n\r\n", "GET 1.1 keep target=[/] path=[/]"},
		{"GET / HTTP/1.0\r\n\r\n", "GET 1.0 target=[/] path=[/]"},
		{"\r\nGET / HTTP/1.1\r\n\r\n", "GET 1.1 keep target=[/] path=[/]"},
		{"HEAD /a HTTP/1.1\r\n\r\n", "HEAD 1.1 keep target=[/a] path=[/a]"},
		{"get / HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[/] path=[/]"},
		{"GETS / HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[/] path=[/]"},
		{"GE / HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[/] path=[/]"},
		{"HEAR / HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[/] path=[/]"},
		{"POST /x HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[/x] path=[/x]"},
		{"OPTIONS * HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[*] path=[*]"},
		{"CONNECT a:1 HTTP/1.1\r\n\r\n", "OTHER 1.1 keep target=[a:1] path=[a:1]"},
		{"POST http:// HTTP/1.1\r\n\r\n",
		 "OTHER 1.1 keep target=[http://] path=[http://]"},
		{"GET / HTTP/1.2\r\n\r\n", "GET 1.1 keep target=[/] path=[/]"},
		{"GET / HTTP/1.9\r\n\r\n", "GET 1.1 keep target=[/] path=[/]"},
		{"GET /a/b?c=d?e HTTP/1.1\r\n\r\n",
		 "GET 1.1 keep target=[/a/b?c=d?e] path=[/a/b] query=[c=d?e]"},
		{"GET /? HTTP/1.1\r\n\r\n", "GET 1.1 keep target=[/?] path=[/] query=[]"},
		{"GET //x HTTP/1.1\r\n\r\n", "GET 1.1 keep target=[//x] path=[//x]"},
		{"GET /%00%ff~!$&'()*+,;=:@|^ HTTP/1.1\r\n\r\n",
		 "GET 1.1 keep target=[/%00%ff~!$&'()*+,;=:@|^] path=[/%00%ff~!$&'()*+,;=:@|^]"},
		{"GET http://h/a?b HTTP/1.1\r\nHost: other\r\n\r\n",
		 "GET 1.1 keep target=[/a?b] path=[/a] query=[b] host=[h]"},
		{"GET HTTPS://h:1 HTTP/1.1\r\n\r\n", "GET 1.1 keep target=[/] path=[/] host=[h:1]"},
		{"GET ws://[::1]:8/x HTTP/1.1\r\n\r\n",
		 "GET 1.1 keep target=[/x] path=[/x] host=[[::1]:8]"},
		{"GET wss://h?q=/ HTTP/1.1\r\n\r\n",
		 "GET 1.1 keep target=[?q=/] path=[/] query=[q=/] host=[h]"}
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++)
		head_check(cases[i][0], cases[i][1]);
}

/* Headers: each is put after a plain request line. */
static const char *const header_cases[][2] = {
	{"Host: a\r\n", " keep / host=[a]"},
	{"hOST:a\r\n", " keep / host=[a]"},
	{"Host: \t a b \t \r\n", " keep / host=[a b]"},
	{"Host:\r\n", " keep / host=[]"},
	{"Host: \r\nOrigin:\t \r\n", " keep / host=[] origin=[]"},
	{"Host: a\r\nHost: a\r\n", " keep / host=[a]"},
	{"Origin: null\r\nOrigin: b\r\n", " keep / origin=[null]"},
	{"X-Real-IP: 1.1.1.1\r\nx-real-ip: ::2\r\n", " keep / real=[::2]"},
	{"X-Forwarded-For: 1, 2\r\nX-FORWARDED-FOR: 3, 4\r\n", " keep / forwarded=[3, 4]"},
	{"X-Forwarded-For: 1\r\nX-Forwarded-For:\r\n", " keep / forwarded=[]"},
	{"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Version: 13\r\n",
	 " keep / version=[8]"},
	{"Sec-WebSocket-Key: k\r\nSec-WebSocket-Key: k \r\n", " keep / key=[k]"},
	{"Connection: close\r\n", " /"},
	{"Connection: CLOSE\r\n", " /"},
	{"Connection: closed\r\n", " keep /"},
	{"Connection: clos\r\n", " keep /"},
	{"Connection: keep-alive\r\nConnection: close\r\n", " /"},
	{"Connection: close, keep-alive\r\n", " /"},
	{"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", " keep upgrade /"},
	{"Connection:upgrade,keep-alive\r\nUpgrade: WebSocket\r\n", " keep upgrade /"},
	{"Connection: x ,\tUPGRADE\t, y\r\nUpgrade: websocket\r\n", " keep upgrade /"},
	{"Connection: ,,, upgrade\r\nUpgrade: , websocket ,\r\n", " keep upgrade /"},
	{"Upgrade: websocket\r\nConnection: x\r\nConnection: upgrade\r\n",
	 " keep upgrade /"},
	{"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n",
	 " keep upgrade /"},
	{"Connection: upgrade\r\nUpgrade: h2c, websocket\r\n", " keep upgrade /"},
	{"Connection: upgrade, x\r\nUpgrade: websocket, h2c\r\n", " keep upgrade /"},
	{"Connection: close, x\r\nConnection: y\r\n", " /"},
	{"Connection: close, upgrade\r\nUpgrade: websocket\r\n", " upgrade /"},
	{"Connection: upgrade\r\n", " keep /"},
	{"Connection:\r\nUpgrade: websocket\r\n", " keep /"},
	{"Upgrade: websocket\r\n", " keep /"},
	{"Connection: upgrades\r\nUpgrade: websocket\r\n", " keep /"},
	{"Connection: keep-alive Upgrade\r\nUpgrade: websocket\r\n", " keep /"},
	{"Connection: upgrade\r\nUpgrade: websocket2\r\n", " keep /"},
	{"Connection: upgrade\r\nUpgrade: websocket/13\r\n", " keep /"},
	{"Connection: upgrade\r\nX-Upgrade: websocket\r\n", " keep /"},
	{"X: Connection: close\r\n", " keep /"},
	{"Accept: text/html\r\n", " keep html /"},
	{"Accept: TEXT/HTML ; q=0.9, */*\r\n", " keep html /"},
	{"Accept: application/json;q=1\r\n", " keep json /"},
	{"Accept: text/plain\r\nAccept: application/json\r\nAccept: text/html\r\n",
	 " keep html json /"},
	{"Accept: text/htmlx, xapplication/json, */*\r\n", " keep /"},
	{"Accept: text/plain;text/html, ;text/html\r\n", " keep /"},
	{"Accept:\r\n", " keep /"},
	{"Content-Length: 0\r\n", " keep /"},
	{"Content-Length: 5\r\n", " keep body /"},
	{"Content-Length: 5\r\nContent-Length: 5\r\n", " keep body /"},
	{"Content-Length: 005\r\nContent-Length: 5\r\n", " keep body /"},
	{"Content-Length: 0\r\nContent-Length: 000\r\n", " keep /"},
	{"Content-Length: 18446744073709551616\r\n", " keep body /"},
	{"X-Odd!#$%&'*+-.^_`|~09: \x80\xff\t\"(),/:;<=>?@[\\]{}\r\n", " keep /"},
	{"A:\r\nB: \r\nC:\t\r\n", " keep /"}
};

static void headers(void)
{
	size_t i;

	for (i = 0; i < COUNT(header_cases); i++) {
		const char *slash = strchr(header_cases[i][1], '/');
		char head[512], expected[512];

		snprintf(head, sizeof head, "GET / HTTP/1.1\r\n%s\r\n", header_cases[i][0]);
		snprintf(expected, sizeof expected, "GET 1.1%.*starget=[/] path=[/]%s",
		    (int)(slash - header_cases[i][1]), header_cases[i][1], slash + 1);
		head_check(head, expected);
	}
	head_check(browser_head, browser_summary);
}

/* HTTP/1.0 ends a connection unless asked not to, and knows no Upgrade. */
static void headers_of_1_0(void)
{
	head_check("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	    "GET 1.0 keep target=[/] path=[/]");
	head_check("GET / HTTP/1.0\r\nConnection: keep-alive, x\r\nConnection: y\r\n\r\n",
	    "GET 1.0 keep target=[/] path=[/]");
	head_check("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n",
	    "GET 1.0 target=[/] path=[/]");
	head_check("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Key: k\r\n\r\n", "GET 1.0 target=[/] path=[/] key=[k]");
}

/* Heads that are found and then refused. */
static const char *const refusal_cases[][2] = {
	{"\r\n\r\n", "400"},
	{"GET\r\n\r\n", "400"},
	{"GET /\r\n\r\n", "400"},
	{"GET / \r\n\r\n", "400"},
	{" GET / HTTP/1.1\r\n\r\n", "400"},
	{"GET  / HTTP/1.1\r\n\r\n", "400"},
	{"GET /  HTTP/1.1\r\n\r\n", "400"},
	{"GET\t/ HTTP/1.1\r\n\r\n", "400"},
	{"GET / HTTP/1.1 \r\n\r\n", "400"},
	{"GET / x HTTP/1.1\r\n\r\n", "400"},
	{"GET  HTTP/1.1\r\n\r\n", "400"},
	{" / HTTP/1.1\r\n\r\n", "400"},
	{"G(T / HTTP/1.1\r\n\r\n", "400"},
	{"GET: / HTTP/1.1\r\n\r\n", "400"},
	{"GET x HTTP/1.1\r\n\r\n", "400"},
	{"GET * HTTP/1.1\r\n\r\n", "400"},
	{"HEAD * HTTP/1.1\r\n\r\n", "400"},
	{"GET ?q HTTP/1.1\r\n\r\n", "400"},
	{"GET http:// HTTP/1.1\r\n\r\n", "400"},
	{"GET http:///x HTTP/1.1\r\n\r\n", "400"},
	{"GET http://?x HTTP/1.1\r\n\r\n", "400"},
	{"GET http:/h/ HTTP/1.1\r\n\r\n", "400"},
	{"GET http:// HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
	{"GET http:/ HTTP/1.1\r\n\r\n", "400"},
	{"GET https HTTP/1.1\r\n\r\n", "400"},
	{"GET w HTTP/1.1\r\n\r\n", "400"},
	{"GET ftp://h/ HTTP/1.1\r\n\r\n", "400"},
	{"GET h:80 HTTP/1.1\r\n\r\n", "400"},
	{"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "400"},
	{"GET /\x7f HTTP/1.1\r\n\r\n", "400"},
	{"GET / HTTP/2.0\r\n\r\n", "505"},
	{"GET / HTTP/0.9\r\n\r\n", "505"},
	{"PRI * HTTP/2.0\r\n\r\n", "505"},
	{"GET x HTTP/3.0\r\n(\r\n\r\n", "505"},
	{"GET / HTTP/2\r\n\r\n", "400"},
	{"GET / HTTP/11\r\n\r\n", "400"},
	{"GET / HTTP/1.\r\n\r\n", "400"},
	{"GET / HTTP/1.10\r\n\r\n", "400"},
	{"GET / HTTP/10.1\r\n\r\n", "400"},
	{"GET / HTTP/1,1\r\n\r\n", "400"},
	{"GET / HTTP/a.1\r\n\r\n", "400"},
	{"GET / HTTP/1.a\r\n\r\n", "400"},
	{"GET / http/1.1\r\n\r\n", "400"},
	{"GET / HTTPS/1.1\r\n\r\n", "400"},
	{"GET / ICY\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\n: a\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA B: c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA(b): c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA\xc3\xa9: c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\x01" "c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nA: b\x7f" "c\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\nHost: ab\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost: a\r\nhost:\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n", "400"},
	{"GET / HTTP/1.0\r\nTRANSFER-ENCODING:\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 10\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: 1 2\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: :\r\n\r\n", "400"},
	{"GET / HTTP/1.1\r\nContent-Length: a\r\nContent-Length: a\r\n\r\n", "400"}
};

static void refusals(void)
{
	size_t i;

	for (i = 0; i < COUNT(refusal_cases); i++)
		head_check(refusal_cases[i][0], refusal_cases[i][1]);
}

/* Heads that are refused while they are being looked for; the parser refuses them as well. */
static void malformed(void)
{
	static const struct {
		const char *head;
		size_t len;
	} cases[] = {
		{"\nGET / HTTP/1.1\r\n\r\n", 19},
		{"\rGET / HTTP/1.1\r\n\r\n", 19},
		{"\r\n\nGET / HTTP/1.1\r\n\r\n", 21},
		{"\r\n\rGET / HTTP/1.1\r\n\r\n", 21},
		{"GET / HTTP/1.1\n\n", 16},
		{"GET / HTTP/1.1\r\r\n\r\n", 19},
		{"GET / HTTP/1.1\n\r\n\r\n", 19},
		{"GET / HTTP/1.1\r\n\n\r\n", 19},
		{"GET / HTTP/1.1\r\n\r\r\n", 19},
		{"GET / HTTP/1.1\r\nA: b\n\r\n", 23},
		{"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 29},
		{"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 29},
		{"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26},
		{"GET / HTTP/1.1\r\n\0A: b\r\n\r\n", 25},
		{"\0GET / HTTP/1.1\r\n\r\n", 19},
		{"\r\0GET / HTTP/1.1\r\n\r\n", 20},
		{"GET / HTTP/1.1\r\n\r\0", 18},
		{"GET / HTTP/1.1\r\nA: 0123456789abcdef\0\r\n\r\n", 40},
		{"GET / HTTP/1.1\r\nA: 0123456789abcdef\n\r\n\r\n", 40}
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CHECK(find_is(cases[i].head, cases[i].len, HTTP_MALFORMED, 0));
		CHECK(head_is(cases[i].head, cases[i].len, "400"));
	}
}

/* The first place in data that decides, found by looking back from each. */
static struct found naive_find(const char *data, size_t len)
{
	struct found found = {HTTP_PARTIAL, 0};
	size_t i;

	for (i = 0; i < len; i++) {
		bool after_cr = i > 0 && data[i - 1] == '\r';

		if (data[i] == '\0' || (data[i] == '\n') != after_cr) {
			found.result = HTTP_MALFORMED;
			return found;
		}
		if (i >= 3 && memcmp(data + i - 3, "\r\n\r\n", 4) == 0) {
			found.result = HTTP_FOUND;
			found.used = i + 1;
			return found;
		}
	}
	return found;
}

static bool find_agrees(const char *data, size_t len, size_t split)
{
	struct found expected = naive_find(data, len);
	uint8_t state = 0;
	size_t used = 0;
	enum http_find result = http_head_find(data, split, &state, &used);

	if (result == HTTP_PARTIAL) {
		result = http_head_find(data + split, len - split, &state, &used);
		used += split;
	}
	return result == expected.result && (result != HTTP_FOUND || used == expected.used);
}

/* Every string of 7 out of four bytes, behind lines of 0 to 9 bytes, at every split. */
static void find_exhaustive(void)
{
	static const char bytes[] = {'\r', '\n', 'a', '\0'};
	char *data = guard_alloc(16);
	size_t before, split, wrong = 0;
	unsigned number, i;

	for (before = 0; before < 10; before++) {
		char *start = data + 9 - before;

		memset(start, 'x', before);
		for (number = 0; number < 1u << 14; number++) {
			for (i = 0; i < 7; i++)
				data[9 + i] = bytes[number >> 2 * i & 3];
			for (split = 0; split <= before + 7; split++)
				wrong += !find_agrees(start, before + 7, split);
		}
	}
	CHECK(wrong == 0);
	guard_free(data, 16);
}

/* Two requests in one read: the second begins where the first is used up. */
static void pipelining(void)
{
	static const char data[] = "GET /a HTTP/1.1\r\n\r\n"
	    "\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n" "GET";
	size_t len = sizeof data - 1, used = 0, at;
	uint8_t state = 0;

	CHECK(http_head_find(data, len, &state, &used) == HTTP_FOUND && used == 19);
	CHECK(head_is(data, used, "GET 1.1 keep target=[/a] path=[/a]"));
	at = used;
	CHECK(http_head_find(data + at, len - at, &state, &used) == HTTP_FOUND && used == 30);
	CHECK(head_is(data + at, used, "GET 1.1 keep target=[/b] path=[/b] host=[b]"));
	at += used;
	CHECK(http_head_find(data + at, len - at, &state, &used) == HTTP_PARTIAL);
	CHECK(http_head_find(data, 0, &state, &used) == HTTP_PARTIAL);
}

static bool status_with(const char *before, int byte, const char *after, const char *expected)
{
	size_t first = strlen(before), second = strlen(after);
	struct summary summary;
	char head[256];

	memcpy(head, before, first);
	head[first] = (char)byte;
	memcpy(head + first + 1, after, second);
	summary = head_parse(head, first + 1 + second);
	return strncmp(summary.text, expected, strlen(expected)) == 0;
}

/* Every byte in every kind of place. */
static void every_byte(void)
{
	static const char line[] = "GET / HTTP/1.1\r\n";
	char before[64];
	int byte, i;

	for (byte = 0; byte < 256; byte++) {
		const char *token = byte_is_token(byte) ? "OTHER" : "400";
		const char *name = byte_is_token(byte) ? "GET" : "400";
		const char *later = byte == ':' ? "GET" : name;
		const char *target = byte > 32 && byte < 127 ? "GET" : "400";

		CHECK(status_with("", byte, "X / HTTP/1.1\r\n\r\n", token));
		CHECK(status_with("GE", byte, "T / HTTP/1.1\r\n\r\n", byte == ' ' ? "400" : token));
		CHECK(status_with("GET /", byte, "a HTTP/1.1\r\n\r\n", target));
		CHECK(status_with("GET ", byte, " HTTP/1.1\r\n\r\n", byte == '/' ? "GET" : "400"));
		CHECK(status_with("GET / HTTP/1.", byte, "\r\n\r\n",
		    byte >= '0' && byte <= '9' ? "GET" : "400"));
		CHECK(status_with("GET / HTTP/", byte, ".1\r\n\r\n",
		    byte == '1' ? "GET" : byte >= '0' && byte <= '9' ? "505" : "400"));
		snprintf(before, sizeof before, "%s", line);
		CHECK(status_with(before, byte, "X: v\r\n\r\n", name));
		snprintf(before, sizeof before, "%sX", line);
		CHECK(status_with(before, byte, "Y: v\r\n\r\n", later));
		CHECK(status_with(before, byte, ": v\r\n\r\n", later));
		for (i = 0; i < 20; i++) {
			snprintf(before, sizeof before, "%sX: %.*s", line, i,
			    "abcdefghijklmnopqrst");
			CHECK(status_with(before, byte, "z\r\n\r\n",
			    byte_is_text(byte) ? "GET" : "400"));
			CHECK(status_with(before, byte, "tuvwxyz01\r\n\r\n",
			    byte_is_text(byte) ? "GET" : "400"));
		}
	}
}

static struct summary summary_with(const char *name, const char *value)
{
	char head[128];

	snprintf(head, sizeof head, "GET / HTTP/1.1\r\nConnection: Upgrade\r\n%s: %s\r\n\r\n",
	    name, value);
	return head_parse(head, strlen(head));
}

/* The name is known in any case, and by no other byte in any place. */
static void name_check(const char *name, const char *value)
{
	static const char plain[] = "GET 1.1 keep target=[/] path=[/]";
	struct summary known = summary_with(name, value);
	char other[32];
	size_t at;
	int byte;

	CHECK(strcmp(known.text, plain) != 0);
	for (at = 0; name[at] != '\0'; at++) {
		for (byte = 1; byte < 256; byte++) {
			bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
			bool same = byte == name[at] || (letter && (byte ^ 32) == name[at]);
			bool valid = byte_is_token(byte) || (byte == ':' && at > 0);

			snprintf(other, sizeof other, "%s", name);
			other[at] = (char)byte;
			CHECK(strcmp(summary_with(other, value).text,
			    same ? known.text : valid ? plain : "400") == 0);
		}
	}
	snprintf(other, sizeof other, "%sx", name);
	CHECK(strcmp(summary_with(other, value).text, plain) == 0);
	CHECK(strcmp(summary_with(name + 1, value).text, plain) == 0);
}

static void every_name(void)
{
	static const char *const names[][2] = {
		{"Accept", "text/html"}, {"Connection", "close"}, {"Content-Length", "5"},
		{"Host", "h"}, {"Origin", "o"}, {"Sec-WebSocket-Key", "k"},
		{"Sec-WebSocket-Version", "13"}, {"Transfer-Encoding", "chunked"},
		{"Upgrade", "websocket"}, {"X-Forwarded-For", "f"}, {"X-Real-IP", "r"}
	};
	size_t i, at;

	for (i = 0; i < COUNT(names); i++) {
		struct summary known = summary_with(names[i][0], names[i][1]);
		char upper[32] = "", lower[32] = "";

		for (at = 0; names[i][0][at] != '\0'; at++) {
			bool letter = names[i][0][at] != '-';

			upper[at] = (char)(names[i][0][at] & (letter ? ~32 : ~0));
			lower[at] = (char)(names[i][0][at] | (letter ? 32 : 0));
		}
		name_check(names[i][0], names[i][1]);
		CHECK(strcmp(summary_with(upper, names[i][1]).text, known.text) == 0);
		CHECK(strcmp(summary_with(lower, names[i][1]).text, known.text) == 0);
	}
}

/* Does each line after the first consist of a token, a colon and text? */
static bool lines_are_sound(const char *head, size_t len)
{
	size_t at = memcmp(head, "\r\n", 2) == 0 ? 2 : 0, start;
	bool first = true;

	for (; len - at > 2; at += 2, first = false) {
		start = at;
		while (at < len && byte_is_token((uint8_t)head[at]))
			at++;
		if (at == start || at == len || head[at] != (first ? ' ' : ':'))
			return false;
		while (at < len && byte_is_text((uint8_t)head[at]))
			at++;
		if (len - at < 4 || memcmp(head + at, "\r\n", 2) != 0)
			return false;
	}
	return memcmp(head + at, "\r\n", 2) == 0;
}

/* A browser's request with a byte changed, taken out or put in: what is accepted is sound. */
static void one_byte_changed(void)
{
	static const char bytes[] = "\0\1\t\n\r ,:;?/Aa09\x7f\x80\xff";
	size_t len = sizeof browser_head - 1, at, i, accepted = 0, refused = 0;
	char *area = guard_alloc(len + 1);
	struct http_request request;

	for (at = 0; at < len; at++) {
		for (i = 0; i < 3 * (sizeof bytes - 1); i++) {
			size_t out = i % 3 == 0 ? 0 : 1, in = i % 3 == 1 ? 0 : 1;
			size_t size = len - out + in;
			char *head = area + len + 1 - size;

			memcpy(head, browser_head, at);
			if (in == 1)
				head[at] = bytes[i / 3];
			memcpy(head + at + in, browser_head + at + out, len - at - out);
			if (http_head_parse(head, size, &request) == 200) {
				accepted++;
				CHECK(lines_are_sound(head, size));
			} else {
				refused++;
			}
		}
	}
	CHECK(accepted > 1000 && refused > 1000);
	CHECK(lines_are_sound(browser_head, len));
	CHECK(!lines_are_sound("GET / HTTP/1.1\r\nA B: c\r\n\r\n", 27));
	guard_free(area, len + 1);
}

static void header_count(void)
{
	char head[1024];
	int i, count;

	for (count = 62; count <= 66; count++) {
		size_t len = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\n");

		for (i = 0; i < count; i++)
			len += (size_t)snprintf(head + len, sizeof head - len, "A%d: b\r\n", i);
		len += (size_t)snprintf(head + len, sizeof head - len, "\r\n");
		CHECK(find_is(head, len, HTTP_FOUND, len));
		CHECK(head_is(head, len, count <= HTTP_HEADERS_MAX ?
		    "GET 1.1 keep target=[/] path=[/]" : "431"));
	}
}

static void head_size(void)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
	char head[HTTP_HEAD_MAX + 2];
	size_t len, size = sizeof head;

	for (len = HTTP_HEAD_MAX - 2; len <= HTTP_HEAD_MAX + 2; len++) {
		memset(head, 'x', len);
		memcpy(head, start, sizeof start - 1);
		memcpy(head + len - 4, "\r\n\r\n", 4);
		CHECK(find_in_pieces(head, len, len, 1).used == len);
		CHECK(find_in_pieces(head, len, 1, 1).used == len);
		CHECK(find_in_pieces(head, len, 1000, 1000).used == len);
		CHECK(head_is(head, len, len <= HTTP_HEAD_MAX ?
		    "GET 1.1 keep target=[/] path=[/] host=[h]" : "431"));
	}
	for (len = 0; len <= HTTP_HEAD_MAX; len++) {
		struct found found = find_in_pieces(head, size, len, size);

		CHECK(found.result == HTTP_FOUND && found.used == size);
	}
	memset(head, 'x', size);
	CHECK(head_is(head, size, "431"));
	CHECK(head_is(head, HTTP_HEAD_MAX, "400"));
}

static void responses(void)
{
	static const struct {
		struct http_response response;
		const char *text;
	} cases[] = {
		{{200, "text/html; charset=utf-8", 1234, true, 1, NULL},
		 "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
		 "Content-Length: 1234\r\nX-Content-Type-Options: nosniff\r\n\r\n"},
		{{200, "text/plain", 10, true, 0, "Cache-Control: max-age=30\r\n"},
		 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n"
		 "Connection: keep-alive\r\nX-Content-Type-Options: nosniff\r\n"
		 "Cache-Control: max-age=30\r\n\r\n"},
		{{400, NULL, 0, false, 1, NULL},
		 "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n"
		 "X-Content-Type-Options: nosniff\r\n\r\n"},
		{{405, NULL, 9, false, 0, "Allow: GET, HEAD\r\nA: b\r\n"},
		 "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 9\r\nConnection: close\r\n"
		 "X-Content-Type-Options: nosniff\r\nAllow: GET, HEAD\r\nA: b\r\n\r\n"},
		{{101, NULL, 7, false, 1, "Upgrade: websocket\r\nConnection: Upgrade\r\n"},
		 "HTTP/1.1 101 Switching Protocols\r\nX-Content-Type-Options: nosniff\r\n"
		 "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
		{{101, NULL, 7, true, 0, NULL},
		 "HTTP/1.1 101 Switching Protocols\r\nX-Content-Type-Options: nosniff\r\n\r\n"}
	};
	char *out = guard_alloc(HTTP_RESPONSE_HEAD_MAX);
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		size_t len = http_response_head(&cases[i].response, out);

		CHECK(len == strlen(cases[i].text) && memcmp(out, cases[i].text, len) == 0);
	}
	guard_free(out, HTTP_RESPONSE_HEAD_MAX);
}

/* Further headers of every length, up to what fits and beyond. */
static void response_size(void)
{
	struct http_response response = {200, "text/plain", SIZE_MAX, true, 1, NULL};
	char *out = guard_alloc(HTTP_RESPONSE_HEAD_MAX), further[HTTP_RESPONSE_HEAD_MAX + 2];
	size_t bare = http_response_head(&response, out), len;
	char expected_text[256];

	snprintf(expected_text, sizeof expected_text,
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
	    "X-Content-Type-Options: nosniff\r\n\r\n", (size_t)SIZE_MAX);
	CHECK(bare == strlen(expected_text) && memcmp(out, expected_text, bare) == 0);
	response.headers = further;
	for (len = 0; len < sizeof further; len++) {
		size_t expected = bare + len <= HTTP_RESPONSE_HEAD_MAX ? bare + len : 0;

		memset(further, 'x', len);
		further[len] = '\0';
		CHECK(http_response_head(&response, out) == expected);
	}
	guard_free(out, HTTP_RESPONSE_HEAD_MAX);
}

static void reasons(void)
{
	static const int statuses[] = {
		101, 200, 400, 404, 405, 408, 413, 426, 431, 500, 503, 505
	};
	size_t i;

	for (i = 0; i < COUNT(statuses); i++)
		CHECK(http_reason(statuses[i])[0] != '\0');
	CHECK(strcmp(http_reason(426), "Upgrade Required") == 0);
	CHECK(strcmp(http_reason(299), "") == 0);
}

int main(void)
{
	RUN(request_lines);
	RUN(headers);
	RUN(headers_of_1_0);
	RUN(refusals);
	RUN(malformed);
	RUN(find_exhaustive);
	RUN(pipelining);
	RUN(every_byte);
	RUN(every_name);
	RUN(one_byte_changed);
	RUN(header_count);
	RUN(head_size);
	RUN(responses);
	RUN(response_size);
	RUN(reasons);
	return test_end();
}
