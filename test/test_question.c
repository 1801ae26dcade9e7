/* test_question.c - questions and events as lines, answers as read. In the texts ' stands for ". */
#include "test.h"
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "../question.h"
#include "../ws.h"

#define AREA_SIZE 65536
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SLICE(text) ((struct json_slice){ (text), sizeof(text) - 1 })
#define HASH_HEX "000102030405060708090a0b0c0d0e0f10111213"
#define PEER_HEX "2d5757303130322dffffffffffffffffffffff22"

static const uint8_t hash[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19 };
static const uint8_t peer[] = { '-', 'W', 'W', '0', '1', '0', '2', '-', 255, 255, 255, 255, 255,
	255, 255, 255, 255, 255, 255, '"' };

static char *area;              /* ends at memory that must not be touched */
static struct question_answer answer;

static bool text_is(const char *is, size_t length, const char *what)
{
	size_t i;

	if (length != strlen(what))
		return false;
	for (i = 0; i < length && is[i] == (what[i] == '\'' ? '"' : what[i]); i++)
		continue;
	if (i < length)
		printf("%.*s\nis not\n%s\n", (int)length, is, what);
	return i == length;
}

/* Write a question where only `max` bytes are. */
static struct text ask(const struct question *question, size_t max, bool *whole)
{
	struct text line = { .start = area + AREA_SIZE - max, .max = max };

	*whole = question_write(&line, question);
	return line;
}

/* Is this the question's line, and does it need all of its bytes? */
static bool asks(const struct question *question, const char *what)
{
	struct json_token tokens[QUESTION_TOKENS_MAX];
	size_t length = strlen(what);
	struct text line;
	bool whole, less;

	ask(question, length - 1, &less);
	line = ask(question, length, &whole);
	return whole && !less && text_is(line.start, line.length, what) &&
	    ws_utf8_valid((const uint8_t *)line.start, line.length) &&
	    json_scan(line.start, line.length, tokens, QUESTION_TOKENS_MAX) > 0;
}

/* -- questions ------------------------------------------------------------------------------ */

static void questions(void)
{
	static const struct question_header headers[] = {
		{ { "Host", 4 }, { "a.example", 9 } }, { { "User-Agent", 10 }, { "x/1", 3 } }
	};
	struct question question = { .id = 1, .action = "announce" };

	CHECK(asks(&question, "{'id':1,'action':'announce','headers':{}}"));
	question = (struct question){ QUESTION_NUMBER_MAX, "announce", hash, peer,
		SLICE("192.0.2.1"), SLICE("/"), SLICE("key=1"), "started", SLICE("0"), headers,
		COUNT(headers) };
	CHECK(asks(&question, "{'id':9007199254740991,'action':'announce',"
	    "'info_hash':'" HASH_HEX "','peer_id':'" PEER_HEX "','address':'192.0.2.1','path':'/?key=1',"
	    "'headers':{'host':'a.example','user-agent':'x/1'},'event':'started','left':0}"));
	question = (struct question){ .id = 7, .action = "scrape", .info_hash = hash,
		.address = SLICE(""), .path = SLICE("/x"), .query = SLICE(""),
		.left = SLICE("-1.5e+3") };
	CHECK(asks(&question, "{'id':7,'action':'scrape','info_hash':'" HASH_HEX "','address':'',"
	    "'path':'/x?','headers':{},'left':-1.5e+3}"));
}

/* Only a number is passed on, and none that is longer than numbers are. */
static void what_is_left(void)
{
	static const char *const none[] = { "", "null", "true", "\"0\"", "[0]", "{}",
		"100000000000000000000000000000000" };
	static const char *const some[] = { "0", "-0", "18446744073709551615", "1.5",
		"10000000000000000000000000000000" };
	struct question question = { .id = 1, .action = "a" };
	char expected[128];
	size_t i;

	for (i = 0; i < COUNT(none); i++) {
		question.left = (struct json_slice){ none[i], strlen(none[i]) };
		CHECK(asks(&question, "{'id':1,'action':'a','headers':{}}"));
	}
	for (i = 0; i < COUNT(some); i++) {
		question.left = (struct json_slice){ some[i], strlen(some[i]) };
		snprintf(expected, sizeof expected, "{'id':1,'action':'a','headers':{},'left':%s}",
		    some[i]);
		CHECK(asks(&question, expected));
	}
}

static void repeated_headers(void)
{
	static const struct question_header headers[] = {
		{ { "X-A", 3 }, { "1", 1 } }, { { "Y", 1 }, { "", 0 } },
		{ { "x-a", 3 }, { "2", 1 } }, { { "X-AB", 4 }, { "3", 1 } },
		{ { "y", 1 }, { "5, 6", 4 } }, { { "X-a", 3 }, { "", 0 } }
	};
	struct question question = { .id = 1, .action = "a", .headers = headers,
		.header_count = COUNT(headers) };

	CHECK(asks(&question, "{'id':1,'action':'a','headers':{'x-a':'1, 2, ','y':', 5, 6',"
	    "'x-ab':'3'}}"));
}

/* What strangers send is text in every line. */
static void any_bytes(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *text;       /* ' is " as everywhere */
	} cases[] = {
		{ "plain", 5, "plain" }, { "a\"b\\c/", 6, "a\\'b\\\\c/" },
		{ "\0\n\r\t\b\f\x1b", 7, "\\u0000\\n\\r\\t\\b\\f\\u001b" },
		{ "\x7f\xc2\x80\xc2\x9f\xc2\xa0", 7, "\\u007f\\u0080\\u009f\xc2\xa0" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xff" "b", 3, "a\xef\xbf\xbd" "b" }, { "\xc3", 1, "\xef\xbf\xbd" },
		{ "\xc3\"", 2, "\xef\xbf\xbd\\'" },
		{ "\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }
	};
	char expected[512];
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		struct json_slice bytes = { cases[i].bytes, cases[i].length };
		struct question_header header = { bytes, bytes };
		struct question question = { .id = 1, .action = "a", .address = bytes,
			.path = bytes, .query = bytes, .headers = &header, .header_count = 1 };

		snprintf(expected, sizeof expected, "{'id':1,'action':'a','address':'%s',"
		    "'path':'%s?%s','headers':{'%s':'%s'}}", cases[i].text, cases[i].text,
		    cases[i].text, cases[i].text, cases[i].text);
		CHECK(asks(&question, expected));
	}
}

/* Is this the text of one question that a header of these two bytes makes? */
static bool pair_is_text(unsigned pair)
{
	char bytes[2] = { (char)(pair >> 8), (char)pair };
	struct question_header header = { { bytes, 2 }, { bytes, 2 } };
	struct question question = { .id = 1, .action = "a", .headers = &header,
		.header_count = 1 };
	struct json_token tokens[QUESTION_TOKENS_MAX];
	bool whole;
	struct text line = ask(&question, 256, &whole);
	size_t i;

	for (i = 0; i < line.length; i++) {
		if ((uint8_t)line.start[i] < ' ' || line.start[i] == 0x7f)
			return false;
	}
	return whole && json_scan(line.start, line.length, tokens, QUESTION_TOKENS_MAX) == 9 &&
	    ws_utf8_valid((const uint8_t *)line.start, line.length);
}

static void all_bytes(void)
{
	unsigned pair;

	for (pair = 0; pair < 65536 && pair_is_text(pair); pair++)
		continue;
	CHECK(pair == 65536);
}

static void events(void)
{
	struct text line = { .start = area, .max = AREA_SIZE };

	CHECK(question_event(&line, "started", hash, peer, SLICE("2001:db8::1"), 0));
	CHECK(text_is(line.start, line.length, "{'event':'started','info_hash':'" HASH_HEX "',"
	    "'peer_id':'" PEER_HEX "','address':'2001:db8::1'}"));
	line.length = 0;
	CHECK(question_event(&line, "stopped", hash, peer, SLICE("\xff\n"), 12));
	CHECK(text_is(line.start, line.length, "{'event':'stopped','info_hash':'" HASH_HEX "',"
	    "'peer_id':'" PEER_HEX "','address':'\xef\xbf\xbd\\n','dropped':12}"));
	line.max = line.length - 1;
	line.length = 0;
	CHECK(!question_event(&line, "stopped", hash, peer, SLICE("\xff\n"), 12));
}

/* -- answers -------------------------------------------------------------------------------- */

/* Read an answer that ends where memory does. */
static const char *read_bytes(const char *bytes, size_t length)
{
	char *line = area + AREA_SIZE - length, *at;

	memcpy(line, bytes, length);
	for (at = line; (at = memchr(at, '\'', (size_t)(area + AREA_SIZE - at))) != NULL; at++)
		*at = '"';
	memset(&answer, 0xa5, sizeof answer);
	return question_answer(line, length, &answer);
}

static const char *read_answer(const char *text)
{
	return read_bytes(text, strlen(text));
}

static bool is_wrong(const char *text, const char *why)
{
	const char *wrong = read_answer(text);

	if (wrong == NULL || strcmp(wrong, why) != 0)
		printf("%s: %s\n", text, wrong != NULL ? wrong : "right");
	return wrong != NULL && strcmp(wrong, why) == 0;
}

static bool reads(const char *text, uint64_t id, bool allow, const char *reason, uint32_t ttl)
{
	const char *wrong = read_answer(text);

	if (wrong != NULL)
		printf("%s: %s\n", text, wrong);
	return wrong == NULL && answer.id == id && answer.allow == allow && answer.ttl == ttl &&
	    strcmp(answer.reason, reason) == 0;
}

static void answers(void)
{
	CHECK(reads("{'id':1,'allow':true}", 1, true, "", 0));
	CHECK(reads("{'id':1,'allow':false}", 1, false, "", 0));
	CHECK(reads(" { \t'allow' : false, 'reason':'no key', 'id': 9007199254740991 }\r",
	    QUESTION_NUMBER_MAX, false, "no key", 0));
	CHECK(reads("{'id':5,'allow':true,'ttl':60,'reason':null}", 5, true, "", 60));
	CHECK(reads("{'id':5,'allow':true,'ttl':null,'more':[{'id':9}],'reason':''}", 5, true, "",
	    0));
	CHECK(reads("{'id':1,'id':2,'allow':false,'allow':true}", 2, true, "", 0));
	CHECK(reads("{'\\u0069d':3,'\\u0061llow':true}", 3, true, "", 0));
}

static void ttls(void)
{
	CHECK(reads("{'id':1,'allow':true,'ttl':0}", 1, true, "", 0));
	CHECK(reads("{'id':1,'allow':true,'ttl':-0.0}", 1, true, "", 0));
	CHECK(reads("{'id':1,'allow':true,'ttl':1.9}", 1, true, "", 1));
	CHECK(reads("{'id':1,'allow':true,'ttl':6e1}", 1, true, "", 60));
	CHECK(reads("{'id':1,'allow':true,'ttl':86400}", 1, true, "", 86400));
	CHECK(reads("{'id':1,'allow':true,'ttl':86401}", 1, true, "", 86400));
	CHECK(reads("{'id':1,'allow':true,'ttl':1e99}", 1, true, "", 86400));
	CHECK(is_wrong("{'id':1,'allow':true,'ttl':-1}", "its ttl is no number from 0"));
	CHECK(is_wrong("{'id':1,'allow':true,'ttl':'60'}", "its ttl is no number from 0"));
	CHECK(is_wrong("{'id':1,'allow':true,'ttl':''}", "its ttl is no number from 0"));
	CHECK(is_wrong("{'id':1,'allow':true,'ttl':true}", "its ttl is no number from 0"));
	CHECK(is_wrong("{'id':1,'allow':true,'ttl':[]}", "its ttl is no number from 0"));
	CHECK(answer.id == 1);
}

static void wrong_answers(void)
{
	static const char *const texts[] = { "", " ", "x", "[]", "1", "true", "{", "{}x", "{'id':1",
		"{'id':1,}", "{'id':1,'allow':true}{}", "{'id':1,'allow':true,'reason':'\\x'}" };
	static const char *const ids[] = { "{}", "{'id':0,'allow':true}", "{'id':-1,'allow':true}",
		"{'id':'1','allow':true}", "{'id':1.0,'allow':true}", "{'id':1e0,'allow':true}",
		"{'id':9007199254740992,'allow':true}", "{'id':99999999999999999999,'allow':true}",
		"{'id':null,'allow':true}", "{'id':{},'allow':true}", "{'Id':1,'allow':true}" };
	static const char *const allows[] = { "{'id':1}", "{'id':1,'allow':null}",
		"{'id':1,'allow':1}", "{'id':1,'allow':'true'}", "{'id':1,'allow':[true]}",
		"{'id':1,'allow':true,'allow':0}" };
	size_t i;

	for (i = 0; i < COUNT(texts); i++)
		CHECK(is_wrong(texts[i], "it is not one JSON object") && answer.id == 0);
	for (i = 0; i < COUNT(ids); i++)
		CHECK(is_wrong(ids[i], "its id is none of a question") && answer.id == 0);
	for (i = 0; i < COUNT(allows); i++)
		CHECK(is_wrong(allows[i], "its allow is neither true nor false") && answer.id == 1);
	CHECK(is_wrong("{'id':2,'allow':false,'reason':1}", "its reason is no string"));
	CHECK(is_wrong("{'id':2,'allow':true,'reason':{}}", "its reason is no string"));
	CHECK(answer.id == 2);
}

/* As deep and as many as are allowed, and one more. */
static void bounded_answers(void)
{
	char text[2048] = "{'id':1,'allow':true,'x':[";
	int i;

	for (i = 7; i < QUESTION_TOKENS_MAX; i++)
		strcat(text, i == 7 ? "0" : ",0");
	strcat(text, "]}");
	CHECK(reads(text, 1, true, "", 0));
	strcpy(text + strlen(text) - 2, ",0]}");
	CHECK(is_wrong(text, "it is not one JSON object"));
}

#define REASON(text) "{'id':1,'allow':true,'reason':'" text "'}"

static void reasons(void)
{
	CHECK(reads(REASON("\\u0022\\\\/\\n\\r\\t"), 1, true, "'//   ", 0));
	CHECK(reads(REASON("\\u0000\\u001b[1m\\b\x7f"), 1, true, "??[1m??", 0));
	CHECK(reads(REASON("\\u00e4\xc3\xa4\xe2\x82\xac\\ud83d\\ude00"), 1, true,
	    "\xc3\xa4\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 0));
	/* halves of pairs, and what is not seen or turns the text around */
	CHECK(reads(REASON("\\ud83d\\u202e\\u200b\\u0085\xc2\x9b\xe2\x80\xa8x"), 1, true,
	    "??????x", 0));
	CHECK(reads(REASON("\\ufeff\\uffff\\ue000\\udbff\\udfff\\u2066"), 1, true, "?????", 0));
	/* not UTF-8: some text, and nothing past the end is read */
	CHECK(read_answer(REASON("\xf0")) == NULL);
	CHECK(ws_utf8_valid((const uint8_t *)answer.reason, strlen(answer.reason)));
	CHECK(reads(REASON("\xf7\xbf\xbf\xbf"), 1, true, "?", 0));
}

/* A reason is cut where a code point begins. */
static void long_reasons(void)
{
	char text[1024], expected[1024];
	size_t before, i;

	for (before = 250; before < 260; before++) {
		strcpy(text, "{'id':1,'allow':false,'reason':'");
		for (i = 0; i < before; i++)
			strcat(text, "a");
		strcat(text, "\xe2\x82\xac" "bcdefghijklmnop'}");
		CHECK(read_answer(text) == NULL);
		memset(expected, 'a', sizeof expected);
		strcpy(expected + before, "\xe2\x82\xac" "bcdefghijklmnop");
		/* 252 and the 3 bytes are all that fits */
		expected[before <= 252 ? 255 : before < 255 ? before : 255] = '\0';
		CHECK(strcmp(answer.reason, expected) == 0);
	}
}

/* Each prefix of an answer is wrong, and none is read beyond. */
static void prefixes(void)
{
	static const char text[] = "{'id':12,'allow':false,'reason':'a\\u00e4b','ttl':10}";
	size_t length;

	for (length = 0; length < sizeof text - 1; length++)
		CHECK(read_bytes(text, length) != NULL);
	CHECK(read_bytes(text, length) == NULL);
}

int main(void)
{
	area = guard_alloc(AREA_SIZE);
	RUN(questions);
	RUN(what_is_left);
	RUN(repeated_headers);
	RUN(any_bytes);
	RUN(all_bytes);
	RUN(events);
	RUN(answers);
	RUN(ttls);
	RUN(wrong_answers);
	RUN(bounded_answers);
	RUN(reasons);
	RUN(long_reasons);
	RUN(prefixes);
	return test_end();
}
