/*
 * Every text is parsed where it ends at a guard page, as the scratch memory does.
 * In the texts written here ' stands for ".
 */
#include "test.h"
#include "guard.h"
#include "../msg.h"

#include <stdarg.h>
#include <time.h>

#define AREA_SIZE 1048576
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HASH "abcdefghij0123456789"
#define PEER "-WW0102-AbCdEfGhIjKl"
#define IDS "'info_hash':'" HASH "','peer_id':'" PEER "'"
#define ANNOUNCE "{'action':'announce'," IDS
#define TO_PEER ",'to_peer_id':'-LT2110-zyxwvutsrqpo'"

static char *area, *scratch, *id_area, *action_area;
static struct msg *msg;
static char text[AREA_SIZE]; /* where texts are made */
static const char *placed;   /* the one parsed last */
static size_t placed_len;

/* ---- Parsing ---- */

static void quote(char *bytes, size_t len)
{
	char *end = bytes + len;

	while ((bytes = memchr(bytes, '\'', (size_t)(end - bytes))) != NULL)
		*bytes = '"';
}

static enum msg_fault parse_bytes(const char *bytes, size_t len)
{
	placed = area + AREA_SIZE - len;
	placed_len = len;
	memcpy(area + AREA_SIZE - len, bytes, len);
	memset(msg, 0xa5, sizeof *msg);
	if (msg_parse(msg, placed, len, scratch) != msg->fault)
		printf("the result is not msg->fault\n"), test_bad++;
	return msg->fault;
}

static enum msg_fault parse(const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	quote(text, (size_t)len);
	return parse_bytes(text, (size_t)len);
}

/* An announce with more members. */
static enum msg_fault announce(const char *more)
{
	return parse(ANNOUNCE "%s%s}", *more != '\0' ? "," : "", more);
}

static bool text_is(const char *is, size_t len, const char *what)
{
	size_t i;

	if (is == NULL || len != strlen(what))
		return false;
	for (i = 0; i < len && is[i] == (what[i] == '\'' ? '"' : what[i]); i++)
		;
	return i == len;
}

static bool slice_is(struct msg_slice slice, const char *what)
{
	return text_is(slice.text, slice.len, what);
}

static bool action_text_is(const char *what)
{
	size_t len = msg_action_text(msg, action_area);

	return text_is(action_area, len, what) && action_area[len] == '\0';
}

/* ---- A second opinion on the grammar: plain recursion over a terminated text ---- */

static const char *model_value(const char *at, int depth);

static const char *model_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *model_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at != '\\')
			continue;
		at++;
		if (*at == '\0' || strchr("\"\\/bfnrtu", *at) == NULL)
			return NULL;
		if (*at == 'u') {
			if (strspn(at + 1, "0123456789abcdefABCDEF") < 4)
				return NULL;
			at += 4;
		}
	}
	return at + 1;
}

static const char *model_number(const char *at)
{
	const char *digits = "0123456789";
	size_t len;

	at += *at == '-';
	len = strspn(at, digits);
	if (len == 0 || (*at == '0' && len > 1))
		return NULL;
	at += len;
	if (*at == '.') {
		len = strspn(++at, digits);
		if (len == 0)
			return NULL;
		at += len;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '+' || *at == '-';
		len = strspn(at, digits);
		if (len == 0)
			return NULL;
		at += len;
	}
	return at;
}

static const char *model_container(const char *at, int depth)
{
	char end = *at == '{' ? '}' : ']';

	at = model_blanks(at + 1);
	if (*at == end)
		return at + 1;
	for (;;) {
		if (end == '}') {
			at = model_string(at);
			if (at == NULL)
				return NULL;
			at = model_blanks(at);
			if (*at++ != ':')
				return NULL;
			at = model_blanks(at);
		}
		at = model_value(at, depth + 1);
		if (at == NULL)
			return NULL;
		at = model_blanks(at);
		if (*at == end)
			return at + 1;
		if (*at != ',')
			return NULL;
		at = model_blanks(at + 1);
	}
}

static const char *model_value(const char *at, int depth)
{
	if (*at == '{' || *at == '[')
		return depth <= MSG_DEPTH_MAX ? model_container(at, depth) : NULL;
	if (*at == '"')
		return model_string(at);
	if (strncmp(at, "true", 4) == 0 || strncmp(at, "null", 4) == 0)
		return at + 4;
	if (strncmp(at, "false", 5) == 0)
		return at + 5;
	return model_number(at);
}

/* Is it one JSON object? (That it ends at a NUL makes a NUL inside an error, as it has to be.) */
static bool model_holds(const char *bytes, size_t len)
{
	static char copy[AREA_SIZE + 1];
	const char *at;

	memcpy(copy, bytes, len);
	copy[len] = '\0';
	at = model_blanks(copy);
	if (*at != '{')
		return false;
	at = model_value(at, 1);
	return at != NULL && model_blanks(at) == copy + len;
}

/* ---- Chance, the same in each run ---- */

static uint64_t chance_state = 20261122;

static uint32_t chance(uint32_t below)
{
	uint64_t x = chance_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((x >> 33) % below);
}

/* ---- The grammar ---- */

static const char *const good_values[] = {
	"0", "-0", "1", "10", "-1", "123456789", "0.0", "-0.0", "0.5", "1.50", "10.25", "1e5",
	"1E5", "1e+5", "1e-5", "1E+05", "0e0", "0e00", "-0e-0", "1.0e10", "1e400", "-1e-400",
	"123e-10000000", "18446744073709551616", "100000000000000000000000000000000000000000",
	"0.00000000000000000000000000000000001", "true", "false", "null",
	"''", "'a'", "' '", "'\\''", "'\\\\'", "'\\/'", "'/'", "'\\b\\f\\n\\r\\t'",
	"'\\u0000'", "'\\uffff'", "'\\uABcd'", "'\\uD83D\\uDE00'", "'\\ud800'",
	"'\\udc00\\ud800'", "'\\\\u12'", "'\\\\\\\\'", "'\\\\\\''", "'\x7f'",
	"'\xc2\x80'", "'\xc3\xbf'", "'\xe2\x80\xa8'", "'\xef\xbf\xbf'", "'\xef\xbb\xbf'",
	"'\xf0\x9f\x98\x80'", "'\xf4\x8f\xbf\xbf'", "'[{,:}]'", "'// /* #'", "'!#[]^'",
	"'1234567'", "'12345678'", "'123456789'", "'123456\\n'", "'1234567\\n'",
	"'12345678\\n'", "'123456789\\n'", "'1234567\\'12345678\\'1'",
	"[]", "[ ]", "[\n\t\r ]", "[[]]", "[1]", "[1,2]", "[ 1 , 2 ]", "[null,true,false]",
	"[[],{}]", "['a',[1,{'b':[]}]]", "[\n1\n]", "['','']", "[{},{},{}]", "[[[[[[]]]]],1]",
	"{}", "{ }", "{'':0}", "{'a':1,'a':2}", "{'a':{}}", "{'a':[]}", "{'a':''}",
	"{'a':{'b':{'c':[]}}}", "{'\\u0000':1}", "{'a' : 1 , 'b' : 2}",
	"{'a':[1,{'b':2}],'c':3}", "{\n'a'\n:\n1\n}", "{'a':true,'b':false}",
	"{'__proto__':null}"
};

static const char *const bad_values[] = {
	"", " ", "-", "+1", "+0", "01", "-01", "00", "-00", "012", ".5", "-.5", "1.", "0.", "1.e5",
	"0.e1", ".e1", "1e", "1E", "0e", "1e+", "1e-", "0e+", "1.5e", "-e1", "e5", "E", "0x10",
	"0b1", "1_000", "1a", "1f", "1 2", "--1", "-+1", "++1", "- 1", "1.2.3", "1..2", "1e5.5",
	"1e1e1", "1+1", "1-1", "1e++1", "Infinity", "-Infinity", "NaN", "-NaN", "nan", "inf",
	"1,000", "\xef\xbc\x91", "1\xef\xbc\x91", "-a", "0a", "0-", "1e1a",
	"True", "TRUE", "tru", "truee", "fals", "falsee", "nul", "nulll", "None", "undefined", "t",
	"f", "n", "nullnull", "true false", "truefalse", "nu\\u006cl", "\\u0031", "a", "$", "@",
	"`a`", "'a", "a'", "'", "'\\'", "'\\x41'", "'\\a'", "'\\v'",
	"'\\0'", "'\\e'", "'\\ '", "'\\\n'", "'\\\xc3\xa9'", "'\\u'", "'\\u1'",
	"'\\u12'", "'\\u123'", "'\\u123g'", "'\\ug123'", "'\\u1g23'", "'\\u12g3'",
	"'\\u 123'", "'\\u+123'", "'\\u-123'", "'\\u123@'", "'\\u123`'", "'\\u123:'",
	"'\\u123/'", "'\\U0041'", "'\\uD83D\\u'", "'\\uD83D\\u12'", "'\\u00", "'\\u",
	"'\n'", "'\r'", "'\t'", "'\x01'", "'\x1f'", "'1234567\n'", "'12345678\x1f'",
	"'123456789\t123456'", "'\\'\n'", "'\xc3\xbf\x01'", "'a'b", "'a''b'", "'''",
	"'a' 'b'", "\\'a'",
	"[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[,,]", "[1 2]", "[1,,2]", "[1;2]", "[1:2]",
	"['a':1]", "[}", "[1}", "(1)", "[1]]", "[[1]", "[1]x", "[1]1", "[1][2]", "['a'", "['a",
	"[a]", "[-]", "[01]", "[\f]", "[1,\n", "<1>",
	"{", "}", "{}}", "{{}", "{'a'}", "{'a':}", "{:1}", "{1:1}", "{null:1}", "{a:1}",
	"{'a':1,}", "{,}", "{,'a':1}", "{'a':1,,'b':2}", "{'a'::1}", "{'a':1 'b':2}",
	"{'a':1:2}", "{'a' 1}", "{'a','b'}", "{'a':1;'b':2}", "{'a'=1}", "{]",
	"{'a':1]", "{[]:1}", "{{}:1}", "{'a':'b':'c'}", "{'a'}:1", "{'a':1", "{'a':",
	"{'a'", "{'a", "{'a':1}x", "{'a':1}{}", "{'\n':1}", "{'\\x':1}", "{'a':1,'b'}",
	"{'a':1,2}", "{'a':1,[]}", "{'a':1,{}}", "{'a':tru}", "{'a':+}",
	"1/**/", "/**/1", "//\n1", "1//", "#1", "1#", "--", "/", "\f1", "\v1", "1\f", "1\v",
	"\xc2\xa0" "1", "1\xc2\xa0", "\xe2\x80\xa8" "1", "\xef\xbb\xbf" "1", "1\x01", "\x7f", "\xff"
};

static const char *const good_texts[] = {
	"{}", " {} ", "\t\n\r {}", "{}\n", "{\r\n}", "{}\r\n\t        \n", "         {}",
	"{'a':1}\n", "\n{'a':{}}", "{'a':[],'b':{}}"
};

static const char *const bad_texts[] = {
	"", " ", "\n\n", "null", "true", "0", "-1", "'a'", "'{}'", "[]", "[{}]", "[[]]", "{}{}",
	"{} {}", "{},", ",{}", "{}]", "{}}", "[}", "{]", "{}x", "x{}", "\xef\xbb\xbf{}",
	"{}\xef\xbb\xbf", "{", "}", "{ ", "{'a':1", "{'a':1 ", "{'a'", "{'a' ", "{'a':", "{'a': ",
	"{'a':1,", "{'a':1, ", "{}//", "{}/**/", "/**/{}", "{}#", "{}\f", "\v{}", "{}\x1f",
	"{}\x80", "({})",
	"{}'", "{}:", "{}0", "{}null", "{}[]", "{'a':[1}", "{'a':{1}", "\xff\xfe{", "{'a':1}\x01"
};

/* One text: what this module and the model say of it. */
static bool verdict_is(bool good, const char *bytes, size_t len)
{
	enum msg_fault fault = parse_bytes(bytes, len);
	bool right = (fault != MSG_BAD_JSON) == good && model_holds(bytes, len) == good;

	if (!right)
		printf("should be %s: %.*s\n", good ? "good" : "bad", (int)len, bytes);
	return right && (good || (msg->action == MSG_NO_ACTION && !msg->has_info_hash
	    && msg->action_text.text == NULL));
}

static bool text_verdict_is(bool good, const char *what)
{
	size_t len = strlen(what);

	memcpy(text, what, len);
	quote(text, len);
	return verdict_is(good, text, len);
}

static bool value_verdict_is(bool good, const char *value)
{
	static const char *const around[][2] = {
		{ "{'a':", "}" }, { "{'a':[", "]}" }, { "{'a':[0,", ",0]}" },
		{ " { 'a' : ", " } " }, { "{'a':{'b':", "},'c':1}" }
	};
	char whole[256];
	bool right = true;
	size_t i;

	for (i = 0; i < COUNT(around); i++) {
		if (i == 1 && strspn(value, " ") == strlen(value))
			continue; /* that one would be good */
		snprintf(whole, sizeof whole, "%s%s%s", around[i][0], value, around[i][1]);
		right &= text_verdict_is(good, whole);
	}
	return right;
}

static void test_grammar_values(void)
{
	size_t i;

	for (i = 0; i < COUNT(good_values); i++)
		CHECK(value_verdict_is(true, good_values[i]));
	for (i = 0; i < COUNT(bad_values); i++)
		CHECK(value_verdict_is(false, bad_values[i]));
}

static void test_grammar_texts(void)
{
	size_t i;

	for (i = 0; i < COUNT(good_texts); i++)
		CHECK(text_verdict_is(true, good_texts[i]));
	for (i = 0; i < COUNT(bad_texts); i++)
		CHECK(text_verdict_is(false, bad_texts[i]));
}

/* ' is no quote. */
static void test_grammar_apostrophes(void)
{
	static const char *const bad[] = {
		"{\"a\":'a'}", "{'a':1}", "{\"a\":\"\\'\"}", "{\"a\":'}", "'{}'", "{\"a':1}"
	};
	static const char good[] = "{\"a'\":\"'12345678'\"}";
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		CHECK(verdict_is(false, bad[i], strlen(bad[i])));
	CHECK(verdict_is(true, good, sizeof good - 1));
}

/* A NUL at each place of a text, instead of its byte and before it. */
static void test_grammar_nul(void)
{
	static char base[] = " {'a':[1,'b\\u0041cdefghijk'],'c':true} ";
	size_t len = sizeof base - 1, i;

	quote(base, len);
	for (i = 0; i < len; i++) {
		memcpy(text, base, len);
		text[i] = '\0';
		CHECK(verdict_is(false, text, len));
		memcpy(text + i + 1, base + i, len - i);
		CHECK(verdict_is(false, text, len + 1));
	}
	memcpy(text, base, len + 1);
	CHECK(verdict_is(false, text, len + 1));
}

/* Each byte value at each place of strings around the size of a word. */
static void test_grammar_string_bytes(void)
{
	unsigned len, place, value;
	bool good;

	for (len = 1; len <= 20; len++) {
		for (place = 0; place < len; place++) {
			for (value = 0; value < 256; value++) {
				memcpy(text, "{\"a\":\"", 6);
				memset(text + 6, 0x80, len);
				text[6 + place] = (char)value;
				memcpy(text + 6 + len, "\"}", 2);
				good = value >= 0x20 && value != '"' && value != '\\';
				CHECK(verdict_is(good, text, len + 8));
			}
		}
	}
}

static const char *const messages[] = {
	"{}",
	"{'action':'scrape'}",
	"{'action':'scrape','info_hash':'" HASH "'}",
	"{'action':'scrape','info_hash':[]}",
	"{'action':'scrape','info_hash':['" HASH "','" PEER "']}",
	ANNOUNCE "}",
	ANNOUNCE ",'event':'started','left':0,'numwant':50}",
	ANNOUNCE ",'left':-1.25e+10,'event':'<regular>','key':[{'a':[[],{}]}]}",
	ANNOUNCE ",'offers':[{'offer':{'type':'offer','sdp':'v=0\\r\\n'},'offer_id':'x'}]}",
	ANNOUNCE ",'offers':[{'offer_id':'\\ud83d\\ude00','offer':{'sdp':''}},null,5]}",
	ANNOUNCE ",'answer':{'type':'answer','sdp':'v=0\\r\\n'},'offer_id':'x'" TO_PEER "}",
	ANNOUNCE ",'answer':true" TO_PEER "}",
	ANNOUNCE ",'answer':null,'left':null,'event':null,'offers':null,'numwant':null}",
	" { 'action' : 'announce' , " IDS " , 'numwant' : 2.5e0 , 'left' : '0' \n\t}",
	"{'a\\u0063tion':'\\u0061nnounce','info\\u005fhash':'\\u0000bcdefghij0123456789','peer_id':"
		"'\xc3\xbf\xc2\x80\\u00FFdefghij012345678\\''}",
	"{'action':'dance \xe2\x82\xac\xf0\x9f\x98\x80\\ud800'," IDS "}",
	"{'action':{'nested':[1,2,{'x':'y'}]},'info_hash':5}",
	ANNOUNCE ",'uploaded':0,'downloaded':0,'left':18446744073709551616,'corrupt':0,'key':'0A'}",
	"{'action':'announce','info_hash':['" HASH "'],'peer_id':{'0':'a'}}",
	ANNOUNCE ",'event':'completed','event':'stopped','peer_id':'0123456789012345678\\n'}",
	"{'offers':[{'offer':{'sdp':1},'offer':{'sdp':'a','sdp':'b'},'offer_id':''}]," IDS
		",'action':'announce'}"
};

static void test_prefixes(void)
{
	size_t i, len;

	for (i = 0; i < COUNT(messages); i++) {
		for (len = 0; len < strlen(messages[i]); len++)
			CHECK(parse("%.*s", (int)len, messages[i]) == MSG_BAD_JSON);
		CHECK(parse("%s", messages[i]) != MSG_BAD_JSON);
	}
}

/* ---- Limits ---- */

/* Write what, count times; returns the end. */
static char *repeat(char *at, const char *what, size_t count)
{
	while (count-- > 0) {
		memcpy(at, what, strlen(what));
		at += strlen(what);
	}
	return at;
}

static enum msg_fault parse_until(const char *end)
{
	size_t len = (size_t)(end - text);

	quote(text, len);
	return parse_bytes(text, len);
}

static enum msg_fault parse_nested(size_t levels, const char *open, const char *inner,
    const char *close)
{
	char *at = repeat(repeat(text, open, levels - 1), inner, 1);

	return parse_until(repeat(at, close, levels - 1));
}

static enum msg_fault parse_nested_twice(size_t levels)
{
	char *at = repeat(text, ANNOUNCE ",'x':[", 1);
	int i;

	for (i = 0; i < 2; i++) {
		at = repeat(repeat(at, "[", levels - 2), "]", levels - 2);
		at = repeat(at, i == 0 ? "," : "]}", 1);
	}
	return parse_until(at);
}

static void test_depth(void)
{
	CHECK(parse_nested(MSG_DEPTH_MAX, "{'a':", "{}", "}") == MSG_BAD_ACTION);
	CHECK(parse_nested(MSG_DEPTH_MAX + 1, "{'a':", "{}", "}") == MSG_BAD_JSON);
	CHECK(parse_nested(MSG_DEPTH_MAX, "{'a':", "[]", "}") == MSG_BAD_ACTION);
	CHECK(parse_nested(MSG_DEPTH_MAX + 1, "{'a':", "[]", "}") == MSG_BAD_JSON);
	CHECK(parse_nested(MSG_DEPTH_MAX + 1, "{'a':", "0", "}") == MSG_BAD_ACTION);
	CHECK(parse_nested(MSG_DEPTH_MAX / 2, "{'a':[", "{'b':[]}", "]}") == MSG_BAD_ACTION);
	CHECK(parse_nested(MSG_DEPTH_MAX / 2, "{'a':[", "{'b':[[]]}", "]}") == MSG_BAD_JSON);
	CHECK(parse_nested(MSG_DEPTH_MAX / 2, "{'a':[", "{'b':[{}]}", "]}") == MSG_BAD_JSON);
	/* Levels are those open at once. */
	CHECK(parse_nested_twice(MSG_DEPTH_MAX) == MSG_OK);
	CHECK(parse_nested_twice(MSG_DEPTH_MAX + 1) == MSG_BAD_JSON);
}

/* 100 times take far less than 2 s of CPU, with sanitizers too. */
static bool is_fast(enum msg_fault fault, const char *end)
{
	clock_t start = clock();
	int i;

	for (i = 0; i < 100; i++) {
		if (parse_until(end) != fault)
			return false;
	}
	return (double)(clock() - start) / CLOCKS_PER_SEC < 2;
}

static void test_depth_of_200000(void)
{
	size_t levels = 200000;
	char *at;

	at = repeat(repeat(text, "{'a':", 1), "[", levels);
	CHECK(is_fast(MSG_BAD_JSON, at));
	at = repeat(repeat(at, "]", levels), "}", 1);
	CHECK(is_fast(MSG_BAD_JSON, at));
	at = repeat(text, "[", levels);
	CHECK(is_fast(MSG_BAD_JSON, at));
	at = repeat(text, "{'':", levels);
	CHECK(is_fast(MSG_BAD_JSON, at));
}

static void test_token_count(void)
{
	char *at;

	/* Four are the object, its first key, that one's value and the last 0. */
	at = repeat(repeat(text, "{'a':[", 1), "0,", MSG_TOKENS_MAX - 4);
	CHECK(parse_until(repeat(at, "0]}", 1)) == MSG_BAD_ACTION);
	CHECK(parse_until(repeat(at, "0,0]}", 1)) == MSG_BAD_JSON);
	CHECK(parse_until(repeat(at, "'']}", 1)) == MSG_BAD_ACTION);
	CHECK(parse_until(repeat(at, "[0]]}", 1)) == MSG_BAD_JSON);
	CHECK(parse_until(repeat(at, "{}]}", 1)) == MSG_BAD_ACTION);
	CHECK(parse_until(repeat(at, "[],'']}", 1)) == MSG_BAD_JSON);
	/* Three are the object, the last key and its value: one is left. */
	at = repeat(repeat(text, "{", 1), "'a':0,", (MSG_TOKENS_MAX - 4) / 2);
	CHECK(parse_until(repeat(at, "'b':[null]}", 1)) == MSG_BAD_ACTION);
	CHECK(parse_until(repeat(at, "'b':[],'c':0}", 1)) == MSG_BAD_JSON);
	at = repeat(repeat(text, ANNOUNCE ",'x':[", 1), "0,", 16000);
	CHECK(parse_until(repeat(at, "0]}", 1)) == MSG_OK);
}

/* What could make a parser go over the same tokens again and again. */
static void test_no_quadratic_time(void)
{
	static const struct {
		const char *start, *unit, *end;
		size_t unit_tokens;
	} cases[] = {
		{ ANNOUNCE, ",'a':0", "}", 2 },
		{ ANNOUNCE, ",'offers':[]", "}", 2 },
		{ ANNOUNCE, ",'\\u006feers_and_more_':0", "}", 2 },
		{ ANNOUNCE ",'offers':[0", ",{}", "]}", 1 },
		{ ANNOUNCE ",'offers':[0", ",{'offer':0}", "]}", 3 },
		{ ANNOUNCE ",'offers':[{'offer':{'a':0", ",'sdp':0", "},'offer_id':''}]}", 2 },
		{ ANNOUNCE ",'offers':[{'offer':0", ",'offer':{'sdp':0}", "}]}", 4 },
		{ ANNOUNCE ",'answer':{'a':0", ",'sdp':''", "}" TO_PEER "}", 2 },
		{ ANNOUNCE ",'a':[0", ",[]", "]}", 1 },
		{ ANNOUNCE ",'a':[0", ",[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]", "]}", 21 },
		{ ANNOUNCE ",'a':[0", ",{'a':{'a':{'a':{'a':{'a':[0]}}}}}", "]}", 12 }
	};
	size_t i;
	char *end;

	for (i = 0; i < COUNT(cases); i++) {
		end = repeat(text, cases[i].start, 1);
		end = repeat(end, cases[i].unit, (MSG_TOKENS_MAX - 50) / cases[i].unit_tokens);
		end = repeat(end, cases[i].end, 1);
		CHECK(is_fast(MSG_OK, end));
	}
}

static void test_long_strings(void)
{
	char *at = repeat(text, ANNOUNCE ",'a':'", 1);

	CHECK(parse_until(repeat(repeat(at, "x", 262144), "'}", 1)) == MSG_OK);
	CHECK(parse_until(repeat(repeat(at, "\\\\", 131072), "'}", 1)) == MSG_OK);
	CHECK(parse_until(repeat(repeat(at, "\\\\", 131072), "\\'}", 1)) == MSG_BAD_JSON);
	CHECK(parse_until(repeat(repeat(at, "\\u0041", 43690), "'}", 1)) == MSG_OK);
	CHECK(parse_until(repeat(repeat(at, "x", 262144), "\n'}", 1)) == MSG_BAD_JSON);
	CHECK(parse_until(repeat(repeat(at, "x", 262144), "", 1)) == MSG_BAD_JSON);
}

/* ---- Actions and faults ---- */

static void test_actions(void)
{
	CHECK(announce("") == MSG_OK && msg->action == MSG_ANNOUNCE && msg->has_info_hash);
	CHECK(memcmp(msg->info_hash, HASH, 20) == 0 && memcmp(msg->peer_id, PEER, 20) == 0);
	CHECK(slice_is(msg->action_text, "'announce'") && msg->action_text.text == placed + 10);
	CHECK(msg->event == MSG_UPDATE && !msg->left_is_zero && msg->numwant == MSG_NUMWANT_ALL);
	CHECK(!msg->has_answer && !msg->answer_usable && msg->offer_count == 0);
	CHECK(parse("{'action':'scrape'}") == MSG_OK && msg->action == MSG_SCRAPE);
	CHECK(parse("{'acti\\u006fn':'\\u0061nn\\u006Funce'," IDS "}") == MSG_OK);
	CHECK(msg->action == MSG_ANNOUNCE);
	CHECK(parse("{'action':'scrap\\u0065'}") == MSG_OK && msg->action == MSG_SCRAPE);
	CHECK(parse("{'\\u0061\\u0063\\u0074\\u0069\\u006f\\u006e':'\\u0073\\u0063\\u0072\\u0061"
	    "\\u0070\\u0065'}") == MSG_OK && msg->action == MSG_SCRAPE);
}

static void test_actions_that_are_none(void)
{
	static const char *const bad[] = {
		"''", "'Announce'", "'announce '", "' announce'", "'announc'", "'announces'",
		"'announc\\u0045'", "'announce\\u0000'", "'\\u0000announce'", "'scrapes'",
		"'\\u0061nnounc'", "'\\u0061nnounceX'", "'connect'", "null", "0", "1", "true", "[]",
		"{}", "['announce']", "{'announce':'announce'}", "'ann\\ud800unce'",
		"'\xd0\xb0nnounce'", "'a\\nnounce'"
	};
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		CHECK(parse("{'action':%s," IDS "}", bad[i]) == MSG_BAD_ACTION);
		CHECK(msg->action == MSG_NO_ACTION && slice_is(msg->action_text, bad[i]));
		CHECK(msg->has_info_hash && memcmp(msg->info_hash, HASH, 20) == 0);
	}
	CHECK(parse("{'Action':'announce'," IDS "}") == MSG_BAD_ACTION);
	CHECK(msg->action_text.text == NULL && msg->has_info_hash);
	CHECK(parse("{'x':{'action':'announce'}," IDS "}") == MSG_BAD_ACTION);
	CHECK(parse("{'x':['action','announce']}") == MSG_BAD_ACTION && !msg->has_info_hash);
	CHECK(parse("{'x':'action','announce':'y'}") == MSG_BAD_ACTION);
	CHECK(parse("{'action':'x','info_hash':'short'}") == MSG_BAD_ACTION);
	CHECK(!msg->has_info_hash);
}

static void test_action_text(void)
{
	static const char *const cases[][2] = {
		{ "'dance'", "dance" }, { "''", "" }, { "5", "5" }, { "-1.5e3", "-1.5e3" },
		{ "null", "null" }, { "true", "true" }, { "[ 1,\n2 ]", "[ 1,\\n2 ]" },
		{ "{'a':'\\u0041\\''}", "{\\'a\\':\\'\\\\u0041\\\\\\'\\'}" },
		{ "'\\u0041\\'\\\\\\/'", "A\\'\\\\/" },
		{ "'\\b\\f\\n\\r\\t\\u0000\\u000b\\u001F\\u007f'",
			"\\b\\f\\n\\r\\t\\u0000\\u000b\\u001f\x7f" },
		{ "'\\u00e9\\u20aC\\ud83d\\ude00'", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'",
			"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "'\\ud800'", "\xef\xbf\xbd" }, { "'\\udfffx'", "\xef\xbf\xbdx" },
		{ "'\\ud800\\ud800\\udc00'", "\xef\xbf\xbd\xf0\x90\x80\x80" },
		{ "'\\udbff\\udfff\\u0080\\u07ff\\u0800\\uffff'",
			"\xf4\x8f\xbf\xbf\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
		{ "'\\ud83d\\n\\ude00'", "\xef\xbf\xbd\\n\xef\xbf\xbd" },
		{ "'\\ud7ff\\ue000'", "\xed\x9f\xbf\xee\x80\x80" },
		{ "'\xdf\xbf\xe0\xa0\x80\xf0\x90\x80\x80'",
			"\xdf\xbf\xe0\xa0\x80\xf0\x90\x80\x80" },
		{ "'0123456789012345678901234567890\\u0031'", "01234567890123456789012345678901" },
		{ "'012345678901234567890123456789012'", "01234567890123456789012345678901" },
		{ "'0123456789012345678901234567890\\ud83d\\ude00x'",
			"0123456789012345678901234567890\xf0\x9f\x98\x80" },
		{ "12345678901234567890123456789012345", "12345678901234567890123456789012" },
		{ "['\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9',"
			"'012345678901234567890123456789']",
			"[\\'\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
			"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\\',\\'012345678901234567" }
	};
	size_t i;
	char *at;

	for (i = 0; i < COUNT(cases); i++) {
		CHECK(parse("{'action':%s}", cases[i][0]) == MSG_BAD_ACTION);
		CHECK(action_text_is(cases[i][1]));
	}
	CHECK(parse("{}") == MSG_BAD_ACTION && action_text_is("undefined"));
	CHECK(parse("{'action':1,'action':'b'}") == MSG_BAD_ACTION && action_text_is("b"));
	at = repeat(repeat(text, "{'action':'", 1), "\\u0000", 40);
	CHECK(parse_until(repeat(at, "'}", 1)) == MSG_BAD_ACTION);
	CHECK(msg_action_text(msg, action_area) == (size_t)32 * 6);
}

static void test_fault_order(void)
{
	CHECK(parse("{'action':'x','info_hash':1,'peer_id':1,'answer':1}") == MSG_BAD_ACTION);
	CHECK(parse("{'action':'announce','info_hash':1,'peer_id':1,'answer':1}")
	    == MSG_BAD_INFO_HASH);
	CHECK(msg->action == MSG_ANNOUNCE && !msg->has_info_hash);
	CHECK(parse("{'action':'announce','info_hash':'" HASH "','peer_id':1,'answer':1}")
	    == MSG_BAD_PEER_ID);
	CHECK(msg->action == MSG_ANNOUNCE && msg->has_info_hash);
	CHECK(announce("'answer':1") == MSG_BAD_TO_PEER_ID);
	CHECK(msg->action == MSG_ANNOUNCE && msg->has_info_hash);
	CHECK(memcmp(msg->info_hash, HASH, 20) == 0);
	CHECK(parse("{'action':'announce','peer_id':'" PEER "'}") == MSG_BAD_INFO_HASH);
	CHECK(parse("{'action':'announce','info_hash':['" HASH "'],'peer_id':'" PEER "'}")
	    == MSG_BAD_INFO_HASH);
	CHECK(parse("{'action':'announce','info_hash':null,'peer_id':'" PEER "'}")
	    == MSG_BAD_INFO_HASH);
	CHECK(parse("{'action':'announce','info_hash':'" HASH "'}") == MSG_BAD_PEER_ID);
}

/* ---- Ids ---- */

struct id_case {
	const char *json;
	const char *bytes; /* 20 of them; NULL: no id */
};

static const struct id_case id_cases[] = {
	{ "'abcdefghij0123456789'", "abcdefghij0123456789" },
	{ "'\\u0000bcdefghij012345678\\u0000'", "\0bcdefghij012345678\0" },
	{ "'\xc3\xbf\xc2\x80\xc2\xa0\xc3\x80" "efghij0123456789'",
		"\xff\x80\xa0\xc0" "efghij0123456789" },
	{ "'\\u00ff\\u0080\\u00a0\\u00C0efghij0123456789'", "\xff\x80\xa0\xc0" "efghij0123456789" },
	{ "'\\u00FF\xc2\x80\\u00A0\xc3\x80" "efghij0123456789'",
		"\xff\x80\xa0\xc0" "efghij0123456789" },
	{ "'\\b\\f\\n\\r\\t\\'\\\\\\/\\u001f\x7f\\u007f\\u0041 [{}:,;0'",
		"\b\f\n\r\t\"\\/\x1f\x7f\x7f" "A [{}:,;0" },
	{ "'\\u0061\\u0062\\u0063\\u0064\\u0065\\u0066\\u0067\\u0068\\u0069\\u006a"
		"\\u0030\\u0031\\u0032\\u0033\\u0034\\u0035\\u0036\\u0037\\u0038\\u0039'",
		"abcdefghij0123456789" },
	{ "'abcdefghij012345678'", NULL },
	{ "'abcdefghij01234567890'", NULL },
	{ "''", NULL },
	{ "'abcdefghij012345678\xc4\x80'", NULL },                    /* U+0100 */
	{ "'abcdefghij012345678\\u0100'", NULL },
	{ "'\xc4\x80" "bcdefghij0123456789'", NULL },
	{ "'abcdefghij012345678\xe2\x82\xac'", NULL },
	{ "'abcdefghij012345678\xf0\x9f\x98\x80'", NULL },
	{ "'abcdefghij012345678\\ud83d\\ude00'", NULL },              /* 20 code points */
	{ "'abcdefghij01234567\\ud83d\\ude00'", NULL },               /* 20 UTF-16 units */
	{ "'abcdefghij012345678\\ud800'", NULL },
	{ "'abcdefghij012345678\\udc00'", NULL },
	{ "'abcdefghij01234567\\udc00\\ud800'", NULL },
	{ "'\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf'",
		NULL },
	{ "'\\u0041bcdefgh\\u0041'", NULL },                          /* 20 bytes of JSON text */
	{ "'6162636465666768696a30313233343536373839'", NULL },
	{ "null", NULL }, { "0", NULL }, { "12345678901234567890", NULL }, { "true", NULL },
	{ "[]", NULL }, { "{}", NULL }, { "['abcdefghij0123456789']", NULL },
	{ "{'a':'abcdefghij0123456789'}", NULL }
};

static void test_ids(void)
{
	const struct id_case *c;
	bool good;
	size_t i;

	for (i = 0; i < COUNT(id_cases); i++) {
		c = &id_cases[i];
		good = c->bytes != NULL;
		parse("{'action':'announce','info_hash':%s,'peer_id':'" PEER "'}", c->json);
		CHECK(msg->fault == (good ? MSG_OK : MSG_BAD_INFO_HASH)
		    && msg->has_info_hash == good);
		CHECK(!good || memcmp(msg->info_hash, c->bytes, 20) == 0);
		parse("{'action':'announce','info_hash':'" HASH "','peer_id':%s}", c->json);
		CHECK(msg->fault == (good ? MSG_OK : MSG_BAD_PEER_ID) && msg->has_info_hash);
		CHECK(!good || memcmp(msg->peer_id, c->bytes, 20) == 0);
		parse(ANNOUNCE ",'answer':0,'to_peer_id':%s}", c->json);
		CHECK(msg->fault == (good ? MSG_OK : MSG_BAD_TO_PEER_ID) && msg->has_info_hash);
		CHECK(!good || memcmp(msg->to_peer_id, c->bytes, 20) == 0);
		parse("{'action':'x','info_hash':%s}", c->json);
		CHECK(msg->fault == MSG_BAD_ACTION && msg->has_info_hash == good);
	}
}

static void test_id_text(void)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{ "abcdefghij0123456789", "abcdefghij0123456789" },
		{ "\"\\/\x7f\x80\xa0\xff" "bcdefghijklmn",
			"\\\"\\\\/\x7f\xc2\x80\xc2\xa0\xc3\xbf" "bcdefghijklmn" },
		{ "\b\t\n\v\f\r\x1f\x0e\x07\0abcdefghij",
			"\\b\\t\\n\\u000b\\f\\r\\u001f\\u000e\\u0007\\u0000abcdefghij" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
			"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000"
			"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000" }
	};
	uint8_t id[MSG_ID_SIZE];
	size_t i, len;

	for (i = 0; i < COUNT(cases); i++) {
		memcpy(id, cases[i].bytes, 20);
		len = msg_id_text(id, id_area);
		CHECK(len == strlen(cases[i].text) && memcmp(id_area, cases[i].text, len) == 0);
	}
}

/* Write one byte of an id in one of the ways that JSON has. */
static char *id_byte(char *at, unsigned byte)
{
	unsigned way = chance(3);

	if (way == 0)
		return at + sprintf(at, "\\u%04x", byte);
	if (way == 1)
		return at + sprintf(at, "\\u%04X", byte);
	if (byte < 0x20 || byte == '"' || byte == '\\')
		return at + sprintf(at, "\\u%04x", byte);
	if (byte >= 0x80) {
		*at++ = (char)(0xc0 | byte >> 6);
		byte = 0x80 | (byte & 0x3f);
	}
	*at++ = (char)byte;
	return at;
}

static bool hash_is(const char *json, size_t len, const uint8_t *id)
{
	int whole = snprintf(text, sizeof text, "{\"info_hash\":\"%.*s\"}", (int)len, json);

	parse_bytes(text, (size_t)whole); /* where ' is itself */
	return msg->has_info_hash && memcmp(msg->info_hash, id, 20) == 0;
}

static void test_ids_at_random(void)
{
	char json[MSG_ID_TEXT_MAX + 1], *at;
	uint8_t id[MSG_ID_SIZE];
	size_t i, len;
	int round;

	for (round = 0; round < 20000; round++) {
		for (i = 0, at = json; i < MSG_ID_SIZE; i++) {
			id[i] = (uint8_t)chance(256);
			at = id_byte(at, id[i]);
		}
		len = (size_t)(at - json);
		CHECK(hash_is(json, len, id));
		len = msg_id_text(id, id_area);
		CHECK(len >= 20 && len <= MSG_ID_TEXT_MAX);
		CHECK(hash_is(id_area, len, id));
	}
}

/* ---- Plain fields ---- */

static void test_event(void)
{
	static const struct {
		const char *json;
		enum msg_event event;
	} cases[] = {
		{ "'started'", MSG_STARTED }, { "'completed'", MSG_COMPLETED },
		{ "'stopped'", MSG_STOPPED }, { "'st\\u006fpped'", MSG_STOPPED },
		{ "'\\u0063ompleted'", MSG_COMPLETED }, { "'starte\\u0064'", MSG_STARTED },
		{ "''", MSG_UPDATE }, { "'empty'", MSG_UPDATE }, { "'update'", MSG_UPDATE },
		{ "'paused'", MSG_UPDATE }, { "'<regular>'", MSG_UPDATE },
		{ "'Started'", MSG_UPDATE },
		{ "'started '", MSG_UPDATE }, { "'start'", MSG_UPDATE },
		{ "'stopped\\u0000'", MSG_UPDATE }, { "'start\\u0065'", MSG_UPDATE },
		{ "null", MSG_UPDATE }, { "1", MSG_UPDATE }, { "true", MSG_UPDATE },
		{ "['stopped']", MSG_UPDATE }, { "{'stopped':1}", MSG_UPDATE }
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CHECK(parse(ANNOUNCE ",'event':%s}", cases[i].json) == MSG_OK);
		CHECK(msg->event == cases[i].event);
	}
}

static void test_left(void)
{
	static const char *const zero[] = {
		"0", "-0", "0.0", "-0.0", "0.000", "0e5", "0E5", "0e-5", "0e+0", "-0e400", "0.0e1",
		"'0'", "'\\u0030'", "0e99999999999999999999",
		"-0.00000000000000000000000000000000e-1"
	};
	static const char *const other[] = {
		"1", "-1", "10", "0.1", "-0.1", "1e400", "1e-400", "18446744073709551616",
		"0.00001", "0.01e5", "100", "null", "true", "false", "[]", "{}", "[0]",
		"''", "'00'",
		"'0.0'", "'-0'", "' 0'", "'0 '", "'1'", "'\\u0031'", "'0\\u0000'", "'\\u00300'",
		"{'a':0}", "0.000000000000000000000000000000000000000000000000000000001"
	};
	size_t i;

	for (i = 0; i < COUNT(zero); i++) {
		CHECK(parse(ANNOUNCE ",'left':%s}", zero[i]) == MSG_OK && msg->left_is_zero);
		CHECK(parse(ANNOUNCE ",'left': %s }", zero[i]) == MSG_OK && msg->left_is_zero);
	}
	for (i = 0; i < COUNT(other); i++)
		CHECK(parse(ANNOUNCE ",'left':%s}", other[i]) == MSG_OK && !msg->left_is_zero);
	CHECK(announce("") == MSG_OK && !msg->left_is_zero);
}

static void test_numwant(void)
{
	static const struct {
		const char *json;
		uint32_t numwant;
	} cases[] = {
		{ "0", 0 }, { "-0", 0 }, { "0.0", 0 }, { "-0.0e5", 0 }, { "0e400", 0 },
		{ "0.9", 0 }, { "1", 1 },
		{ "2.5", 2 }, { "2.999999999999999999999999999999", 2 }, { "50", 50 },
		{ "1e2", 100 },
		{ "1E+2", 100 }, { "5e-1", 0 }, { "15e-1", 1 }, { "1.25e1", 12 }, { "0.5e1", 5 },
		{ "0.00125e4", 12 }, { "1e-400", 0 }, { "12345e-2", 123 }, { "12345.678e-5", 0 },
		{ "100000000000000000000e-20", 1 }, { "1e0", 1 },
		{ "1e00000000000000000000000001", 10 },
		{ "0.00000000000000000000000000000000000000001e42", 10 },
		{ "1e-99999999999999999999", 0 },
		{ "0e99999999999999999999", 0 }, { "0.000e99999999999999999999", 0 },
		{ "4294967294", 4294967294 }, { "4294967294.9", 4294967294 },
		{ "4294967295", MSG_NUMWANT_ALL }, { "4294967296", MSG_NUMWANT_ALL },
		{ "4294967297", MSG_NUMWANT_ALL }, { "18446744073709551616", MSG_NUMWANT_ALL },
		{ "18446744073709551617", MSG_NUMWANT_ALL }, { "1e400", MSG_NUMWANT_ALL },
		{ "1e10", MSG_NUMWANT_ALL }, { "1e9", 1000000000 },
		{ "0.1e99999999999999999999", MSG_NUMWANT_ALL },
		{ "1e18446744073709551616", MSG_NUMWANT_ALL }, { "-1", MSG_NUMWANT_ALL },
		{ "-0.5", MSG_NUMWANT_ALL }, { "-1e-400", MSG_NUMWANT_ALL },
		{ "-1e400", MSG_NUMWANT_ALL },
		{ "null", MSG_NUMWANT_ALL }, { "true", MSG_NUMWANT_ALL },
		{ "false", MSG_NUMWANT_ALL },
		{ "'5'", MSG_NUMWANT_ALL }, { "'0'", MSG_NUMWANT_ALL }, { "''", MSG_NUMWANT_ALL },
		{ "[]", MSG_NUMWANT_ALL }, { "[5]", MSG_NUMWANT_ALL }, { "{}", MSG_NUMWANT_ALL }
	};
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		CHECK(parse(ANNOUNCE ",'numwant':%s}", cases[i].json) == MSG_OK);
		CHECK(msg->numwant == cases[i].numwant);
	}
}

static void test_numwant_of_many_digits(void)
{
	char *at = repeat(text, ANNOUNCE ",'numwant':", 1);

	CHECK(parse_until(repeat(repeat(at, "9", 300), "}", 1)) == MSG_OK);
	CHECK(msg->numwant == MSG_NUMWANT_ALL);
	CHECK(parse_until(repeat(repeat(at, "9", 300), "e-299}", 1)) == MSG_OK
	    && msg->numwant == 9);
	CHECK(parse_until(repeat(repeat(at, "9", 300), "e-300}", 1)) == MSG_OK
	    && msg->numwant == 0);
	at = repeat(at, "0.", 1);
	CHECK(parse_until(repeat(repeat(at, "0", 200000), "123e200002}", 1)) == MSG_OK);
	CHECK(msg->numwant == 12);
	CHECK(parse_until(repeat(repeat(at, "0", 200000), "}", 1)) == MSG_OK && msg->numwant == 0);
}

/* A number, written with its point and exponent anywhere. */
static void test_numwant_at_random(void)
{
	char digits[32], number[128];
	uint32_t value;
	int round, count, point, extra;

	for (round = 0; round < 20000; round++) {
		value = chance(2) != 0 ? chance(1000) : chance(2000000000);
		extra = (int)chance(12);
		count = sprintf(digits, "%u%.*s", (unsigned)value, extra, "372910000001");
		point = (int)chance((uint32_t)count + 5);
		if (point == 0)
			sprintf(number, "0.%se%d", digits, count - extra);
		else if (point < count && digits[0] != '0')
			sprintf(number, "%.*s.%sE%d", point, digits, digits + point,
			    count - extra - point);
		else
			sprintf(number, "0.%.*s%se+%d", point, "000000000000000000000000000000000",
			    digits, count - extra + point);
		CHECK(parse(ANNOUNCE ",'numwant':%s}", number) == MSG_OK && msg->numwant == value);
	}
}

static void test_last_of_duplicates(void)
{
	CHECK(parse("{'action':'x','action':'announce'," IDS "}") == MSG_OK);
	CHECK(parse("{'action':'announce'," IDS ",'action':'x'}") == MSG_BAD_ACTION);
	CHECK(parse("{'action':'announce'," IDS ",'acti\\u006fn':'scrape'}") == MSG_OK);
	CHECK(msg->action == MSG_SCRAPE);
	CHECK(announce("'info_hash':'09876543210987654321'") == MSG_OK);
	CHECK(memcmp(msg->info_hash, "09876543210987654321", 20) == 0);
	CHECK(announce("'info_hash':null") == MSG_BAD_INFO_HASH && !msg->has_info_hash);
	CHECK(announce("'peer_id':0") == MSG_BAD_PEER_ID);
	CHECK(announce("'peer\\u005fid':0") == MSG_BAD_PEER_ID);
	CHECK(announce("'left':0,'left':1") == MSG_OK && !msg->left_is_zero);
	CHECK(announce("'left':1,'left':0") == MSG_OK && msg->left_is_zero);
	CHECK(announce("'event':'stopped','event':5") == MSG_OK && msg->event == MSG_UPDATE);
	CHECK(announce("'numwant':1,'numwant':2") == MSG_OK && msg->numwant == 2);
	CHECK(announce("'numwant':1,'numwant':null") == MSG_OK && msg->numwant == MSG_NUMWANT_ALL);
	CHECK(announce("'answer':1,'answer':null") == MSG_OK && !msg->has_answer);
	CHECK(announce("'answer':null,'answer':1") == MSG_BAD_TO_PEER_ID);
}

/* ---- Offers ---- */

#define OFFER(id) "{'offer':{'type':'offer','sdp':'v=0\\r\\n'},'offer_id':" id "}"

static bool offer_is(size_t i, const char *body, const char *offer_id)
{
	return i < msg->offer_count && slice_is(msg->offers[i].body, body)
	    && slice_is(msg->offers[i].offer_id, offer_id);
}

static void test_offers_verbatim(void)
{
	static const char *const body =
		"{ 'type' : 'offer',\n\t'sdp':'v=0\\r\\no=- \\u0041\xc3\xbf\xf0\x9f\x98\x80\\/' ,"
		" 'x':[{}, 1e5] }";
	static const char *const id = "'\\u00ff\\n\xc3\xbf \\ud83d\\ude00'";
	const char *at;

	CHECK(parse(ANNOUNCE ",'offers' : [ { 'offer' :\t%s , 'offer_id':  %s  } ,\n" OFFER("'b'")
	    "]}", body, id) == MSG_OK);
	CHECK(msg->offer_count == 2 && offer_is(0, body, id));
	CHECK(offer_is(1, "{'type':'offer','sdp':'v=0\\r\\n'}", "'b'"));
	at = msg->offers[0].body.text;
	CHECK(at > placed && at + msg->offers[0].body.len < placed + placed_len);
	CHECK(parse(ANNOUNCE ",'offers':[{'offer_id':'','offer':{'sdp':''},'offer_x':0}]}")
	    == MSG_OK);
	CHECK(offer_is(0, "{'sdp':''}", "''"));
	CHECK(parse(ANNOUNCE ",'offers':[{'off\\u0065r':{'s\\u0064p':''},'offer\\u005fid':'a'}]}")
	    == MSG_OK);
	CHECK(offer_is(0, "{'s\\u0064p':''}", "'a'"));
}

static void test_offers_unusable(void)
{
	static const char *const unusable[] = {
		"null", "0", "'offer'", "true", "[]", "{}", "[" OFFER("'a'") "]",
		"{'offer':{'sdp':''}}", "{'offer_id':'a'}", "{'offer':null,'offer_id':'a'}",
		"{'offer':'sdp','offer_id':'a'}", "{'offer':['sdp',''],'offer_id':'a'}",
		"{'offer':{},'offer_id':'a'}", "{'offer':{'sdp':null},'offer_id':'a'}",
		"{'offer':{'sdp':5},'offer_id':'a'}", "{'offer':{'sdp':{}},'offer_id':'a'}",
		"{'offer':{'sdp':['']},'offer_id':'a'}", "{'offer':{'Sdp':''},'offer_id':'a'}",
		"{'offer':{'x':{'sdp':''}},'offer_id':'a'}", "{'sdp':'','offer_id':'a'}",
		"{'x':{'offer':{'sdp':''},'offer_id':'a'}}", OFFER("5"), OFFER("null"), OFFER("[]"),
		OFFER("{}"), OFFER("true"), OFFER("['a']"), OFFER("'\\ud800'"), OFFER("'a\\udc00'"),
		OFFER("'\\udc00\\udc00'"), OFFER("'\\ud83d/udc00'"), OFFER("'\\ud83d\\ndc00'"),
		OFFER("'\\udc00\\ud800'"), OFFER("'\\ud83d\\u0041'"), OFFER("'\\ud83d\\n\\ude00'"),
		"{'offer':{'sdp':''},'offer_id':'a','offer_id':1}",
		"{'offer':{'sdp':''},'offer_id':'a','offer':{}}",
		"{'offer':{'sdp':'','sdp':0},'offer_id':'a'}",
		"{'offer':{'sdp':'','\\u0073dp':0},'offer_id':'a'}",
		"{'offer':{'a':'sdp','b':'x'},'offer_id':'a'}",
		"['offer',{'sdp':''},'offer_id','a']"
	};
	size_t i;

	for (i = 0; i < COUNT(unusable); i++) {
		CHECK(parse(ANNOUNCE ",'offers':[" OFFER("'a'") ",%s," OFFER("'b'") "]}",
		    unusable[i]) == MSG_OK);
		CHECK(msg->offer_count == 2 && slice_is(msg->offers[1].offer_id, "'b'"));
		CHECK(parse(ANNOUNCE ",'offers':[%s],'sdp':''}", unusable[i]) == MSG_OK);
		CHECK(msg->offer_count == 0);
		CHECK(parse(ANNOUNCE ",'offers':%s}", unusable[i]) == MSG_OK);
		CHECK(msg->offer_count == (*unusable[i] == '[' && unusable[i][1] == '{'));
	}
	CHECK(parse(ANNOUNCE ",'offers':{'0':" OFFER("'a'") "}}") == MSG_OK
	    && msg->offer_count == 0);
	CHECK(parse(ANNOUNCE ",'offers':" OFFER("'a'") "}") == MSG_OK && msg->offer_count == 0);
	CHECK(parse(ANNOUNCE ",'offers':[" OFFER("'a'") "],'offers':[]}") == MSG_OK);
	CHECK(msg->offer_count == 0);
}

static void test_offers_last_of_duplicates(void)
{
	CHECK(parse(ANNOUNCE ",'offers':[{'offer':{'sdp':1},'offer_id':7,'offer':{'sdp':'x'},"
	    "'offer_id':'a'}]}") == MSG_OK);
	CHECK(msg->offer_count == 1 && offer_is(0, "{'sdp':'x'}", "'a'"));
	CHECK(parse(ANNOUNCE ",'offers':[{'offer':{'sdp':1,'sdp':''},'offer_id':'a'}]}") == MSG_OK);
	CHECK(msg->offer_count == 1 && offer_is(0, "{'sdp':1,'sdp':''}", "'a'"));
	CHECK(parse(ANNOUNCE ",'offers':0,'offers':[" OFFER("'a'") "]}") == MSG_OK);
	CHECK(msg->offer_count == 1);
}

static void test_offers_many(void)
{
	static const size_t counts[] = { 1, 19, 20, 21, 1000 };
	char *at, id[64];
	size_t i, j;

	for (i = 0; i < COUNT(counts); i++) {
		at = repeat(text, ANNOUNCE ",'offers':[null", 1);
		for (j = 0; j < counts[i]; j++)
			at += sprintf(at, "," OFFER("'%zu'") ",{}", j);
		CHECK(parse_until(repeat(at, "],'left':0}", 1)) == MSG_OK && msg->left_is_zero);
		CHECK(msg->offer_count == (counts[i] < 20 ? counts[i] : 20));
		for (j = 0; j < msg->offer_count; j++) {
			sprintf(id, "'%zu'", j);
			CHECK(slice_is(msg->offers[j].offer_id, id));
		}
	}
}

static enum msg_fault parse_offer_id(const char *unit, size_t count)
{
	char *at = repeat(text, ANNOUNCE ",'offers':[{'offer':{'sdp':''},'offer_id':'", 1);

	at = repeat(repeat(at, unit, count), "'}]}", 1);
	return parse_until(at);
}

static void test_offer_id_length(void)
{
	static const char *const units[] = {
		"a", "\xc3\xbf", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\\u0041", "\\uffff",
		"\\ud83d\\ude00", "\\n", "\\'", "\\\\"
	};
	size_t i;

	for (i = 0; i < COUNT(units); i++) {
		CHECK(parse_offer_id(units[i], 0) == MSG_OK && msg->offer_count == 1);
		CHECK(parse_offer_id(units[i], 127) == MSG_OK && msg->offer_count == 1);
		CHECK(parse_offer_id(units[i], 128) == MSG_OK && msg->offer_count == 1);
		CHECK(msg->offers[0].offer_id.len == 128 * strlen(units[i]) + 2);
		CHECK(parse_offer_id(units[i], 129) == MSG_OK && msg->offer_count == 0);
		CHECK(parse_offer_id(units[i], 10240) == MSG_OK && msg->offer_count == 0);
	}
}

/* ---- Answers ---- */

static void test_answer(void)
{
	static const char *const body = "{'type' :'answer', 'sdp':'v=0\\r\\n\xc3\xbf' }";

	CHECK(parse(ANNOUNCE ",'answer':%s,'offer_id':'x\\u0041'" TO_PEER "}", body) == MSG_OK);
	CHECK(msg->has_answer && msg->answer_usable && slice_is(msg->answer.body, body));
	CHECK(slice_is(msg->answer.offer_id, "'x\\u0041'"));
	CHECK(memcmp(msg->to_peer_id, "-LT2110-zyxwvutsrqpo", 20) == 0);
	CHECK(announce("'answer':null,'offer_id':'x'") == MSG_OK && !msg->has_answer);
	CHECK(announce("'offer_id':'x'" TO_PEER) == MSG_OK && !msg->has_answer);
	CHECK(announce("'offer_id':5,'to_peer_id':5") == MSG_OK && !msg->has_answer);
	CHECK(parse(ANNOUNCE ",'answer':%s,'offer_id':'x'}", body) == MSG_BAD_TO_PEER_ID);
	CHECK(parse(ANNOUNCE ",'answer':%s,'offer_id':'x','to_peer_id':null}", body)
	    == MSG_BAD_TO_PEER_ID);
	CHECK(parse(ANNOUNCE ",'answer':%s,'offer_id':'x','event':'stopped','left':0,'offers':["
	    OFFER("'a'") "]" TO_PEER "}", body) == MSG_OK);
	CHECK(msg->answer_usable && msg->event == MSG_STOPPED && msg->left_is_zero);
}

static void test_answer_unusable(void)
{
	static const char *const answers[] = {
		"'answer':0", "'answer':false", "'answer':''", "'answer':[]", "'answer':{}",
		"'answer':{'sdp':''}", "'answer':{'sdp':''},'offer_id':5",
		"'answer':{'sdp':''},'offer_id':null", "'answer':{'sdp':''},'offer_id':'\\ud800'",
		"'answer':{'sdp':5},'offer_id':'x'", "'answer':{'sdp':null},'offer_id':'x'",
		"'answer':{'sdp':'','sdp':0},'offer_id':'x'", "'answer':'sdp','offer_id':'x'",
		"'answer':[{'sdp':''}],'offer_id':'x'", "'answer':{'sdp':'','offer_id':'x'}",
		"'answer':{'sdp':''},'offer_id':'x','offer_id':{}"
	};
	size_t i;
	char *at;

	for (i = 0; i < COUNT(answers); i++) {
		CHECK(parse(ANNOUNCE ",%s" TO_PEER "}", answers[i]) == MSG_OK);
		CHECK(msg->has_answer && !msg->answer_usable);
		CHECK(announce(answers[i]) == MSG_BAD_TO_PEER_ID);
	}
	at = repeat(text, ANNOUNCE TO_PEER ",'answer':{'sdp':''},'offer_id':'", 1);
	CHECK(parse_until(repeat(repeat(at, "x", 128), "'}", 1)) == MSG_OK && msg->answer_usable);
	CHECK(parse_until(repeat(repeat(at, "x", 129), "'}", 1)) == MSG_OK && !msg->answer_usable);
	CHECK(parse_until(repeat(repeat(at, "x", 10240), "'}", 1)) == MSG_OK
	    && !msg->answer_usable);
}

/* ---- Scrapes ---- */

#define SCRAPE(hash) "{'action':'scrape','info_hash':" hash "}"

static void test_scrape(void)
{
	CHECK(parse("{'action':'scrape'}") == MSG_OK && msg->all && msg->hash_count == 0);
	CHECK(parse(SCRAPE("null")) == MSG_OK && msg->all && !msg->has_info_hash);
	CHECK(parse(SCRAPE("[]")) == MSG_OK && !msg->all && msg->hash_count == 0);
	CHECK(parse(SCRAPE("'" HASH "'")) == MSG_OK && !msg->all && msg->hash_count == 1);
	CHECK(msg->has_info_hash && memcmp(msg->hashes[0], HASH, 20) == 0);
	CHECK(memcmp(msg->info_hash, HASH, 20) == 0);
	CHECK(parse(SCRAPE("['" HASH "']")) == MSG_OK && msg->hash_count == 1);
	CHECK(!msg->all && !msg->has_info_hash);
	CHECK(parse(SCRAPE("[ '" HASH "' ,\n'\\u00ff\xc3\xbf" "cdefghij0123456789', '" HASH "' ]"))
	    == MSG_OK);
	CHECK(msg->hash_count == 3 && memcmp(msg->hashes[0], HASH, 20) == 0);
	CHECK(memcmp(msg->hashes[1], "\xff\xff" "cdefghij0123456789", 20) == 0);
	CHECK(memcmp(msg->hashes[2], HASH, 20) == 0);
	CHECK(parse("{'action':'scrape','info_hash':[],'peer_id':5,'x':[0,[1]]}") == MSG_OK);
	CHECK(msg->hash_count == 0 && !msg->all);
}

static void test_scrape_bad(void)
{
	static const char *const bad[] = {
		"5", "true", "''", "'short'", "'abcdefghij01234567890'", "{}", "{'a':'" HASH "'}",
		"[5]", "[null]", "[[]]", "[{}]", "['']", "['" HASH "',5]", "['" HASH "','short']",
		"[['" HASH "']]", "[{'" HASH "':'" HASH "'}]", "['" HASH "',['" HASH "']]",
		"'abcdefghij012345678\\u0100'", "['abcdefghij012345678\\ud800']"
	};
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		CHECK(parse("{'action':'scrape','info_hash':%s}", bad[i]) == MSG_BAD_INFO_HASH);
		CHECK(msg->action == MSG_SCRAPE && !msg->has_info_hash);
	}
}

static enum msg_fault parse_scrape_of(size_t count, const char *entry)
{
	char *at = repeat(text, "{'action':'scrape','info_hash':[", 1);

	at = repeat(repeat(at, entry, 1), ",'" HASH "'", count - 1);
	return parse_until(repeat(at, "]}", 1));
}

static void test_scrape_many(void)
{
	CHECK(parse_scrape_of(1000, "'" PEER "'") == MSG_OK && msg->hash_count == 1000);
	CHECK(memcmp(msg->hashes[0], PEER, 20) == 0 && memcmp(msg->hashes[999], HASH, 20) == 0);
	CHECK(parse_scrape_of(1001, "'" PEER "'") == MSG_TOO_MANY_HASHES);
	CHECK(msg->action == MSG_SCRAPE && !msg->has_info_hash);
	CHECK(parse_scrape_of(10000, "'" PEER "'") == MSG_TOO_MANY_HASHES);
	CHECK(parse_scrape_of(1000, "5") == MSG_BAD_INFO_HASH);
	CHECK(parse_scrape_of(1001, "5") == MSG_TOO_MANY_HASHES);
	CHECK(parse_scrape_of(1000, "[0,0,0]") == MSG_BAD_INFO_HASH);
	CHECK(parse_scrape_of(1001, "{}") == MSG_TOO_MANY_HASHES);
}

/* ---- Chance ---- */

/* Is it a piece of the text, between these two characters, and JSON? */
static bool slice_holds(struct msg_slice slice, char first, char last)
{
	static char whole[AREA_SIZE];
	int len;

	if (slice.text < placed || slice.len < 2 || slice.len > placed_len
	    || slice.text + slice.len > placed + placed_len)
		return false;
	len = snprintf(whole, sizeof whole, "{\"a\":%.*s}", (int)slice.len, slice.text);
	return slice.text[0] == first && slice.text[slice.len - 1] == last
	    && model_holds(whole, (size_t)len);
}

/* What must hold whatever the text was. */
static bool result_holds(void)
{
	bool good = model_holds(placed, placed_len);
	char whole[MSG_ACTION_TEXT_MAX + 8];
	size_t i;
	int len;

	if ((msg->fault != MSG_BAD_JSON) != good)
		return false;
	msg_action_text(msg, action_area);
	len = snprintf(whole, sizeof whole, "{\"%s\":0}", action_area);
	if (!model_holds(whole, (size_t)len))
		return false;
	if (msg->fault != MSG_OK || msg->action != MSG_ANNOUNCE)
		return true;
	if (msg->offer_count > MSG_OFFERS_MAX || (msg->answer_usable && !msg->has_answer))
		return false;
	for (i = 0; i < msg->offer_count; i++) {
		if (!slice_holds(msg->offers[i].body, '{', '}')
		    || !slice_holds(msg->offers[i].offer_id, '"', '"'))
			return false;
	}
	return !msg->answer_usable || (slice_holds(msg->answer.body, '{', '}')
	    && slice_holds(msg->answer.offer_id, '"', '"'));
}

#define MUTANT_MAX 4096

/* Change len bytes of text in one of a few ways. Returns the new length. */
static size_t mutate(size_t len)
{
	static const char marks[] = "{}[]:,\"\\/ \n-+.eE0159tfnu\x01\x7f\x80\xc3\xed\xf0\xff";
	const char *other = messages[chance(COUNT(messages))];
	size_t at = chance((uint32_t)len + 1), size = 1 + chance(chance(4) == 0 ? 40 : 4), from;

	if (size > len - at)
		size = len - at;
	switch (chance(6)) {
	case 0:
		text[at] = (char)chance(256);
		return at == len ? len + 1 : len;
	case 1:
		text[at] = marks[chance(sizeof marks - 1)];
		return at == len ? len + 1 : len;
	case 2: /* take out */
		memmove(text + at, text + at + size, len - at - size);
		return len - size;
	case 3: /* twice */
		memmove(text + at + size, text + at, len - at);
		return len + size;
	case 4: /* put in a mark */
		memmove(text + at + 1, text + at, len - at);
		text[at] = marks[chance(sizeof marks - 1)];
		return len + 1;
	default: /* over with a piece of another */
		from = chance((uint32_t)strlen(other));
		size = 1 + chance(30);
		if (size > strlen(other + from))
			size = strlen(other + from);
		memcpy(text + at, other + from, size);
		return at + size > len ? at + size : len;
	}
}

static void test_mutants(void)
{
	const char *message;
	uint32_t good = 0, round, changes;
	size_t len;

	for (round = 0; round < 200000; round++) {
		message = messages[chance(COUNT(messages))];
		len = strlen(message);
		memcpy(text, message, len);
		for (changes = 1 + chance(4); changes > 0 && len < MUTANT_MAX - 100; changes--)
			len = mutate(len);
		quote(text, len);
		good += parse_bytes(text, len) != MSG_BAD_JSON;
		CHECK(result_holds());
	}
	CHECK(good > 10000 && good < 190000); /* both kinds were met */
}

static char *random_blanks(char *at)
{
	while (chance(6) == 0)
		*at++ = " \t\r\n"[chance(4)];
	return at;
}

static char *random_value(char *at, int depth)
{
	uint32_t kind = chance(depth > 8 ? 2 : 4), members;

	at = random_blanks(at);
	if (kind < 2) {
		at = repeat(at, good_values[chance(COUNT(good_values))], 1);
		return random_blanks(at);
	}
	*at++ = kind == 2 ? '[' : '{';
	at = random_blanks(at);
	for (members = chance(5); members > 0; members--) {
		if (kind == 3) {
			at = repeat(at, "'k\\n'", 1);
			at = random_blanks(at);
			*at++ = ':';
		}
		at = random_value(at, depth + 1);
		if (members > 1)
			at = random_blanks(repeat(at, ",", 1));
	}
	*at++ = kind == 2 ? ']' : '}';
	return random_blanks(at);
}

/* Good texts of all structures are taken, whole only. */
static void test_structures(void)
{
	char *at, *end;
	int round;

	for (round = 0; round < 20000; round++) {
		at = repeat(text, ANNOUNCE ",'x':", 1);
		end = random_value(at, 2);
		end = repeat(end, ",'left':0}", 1);
		CHECK(parse_until(end) == MSG_OK && msg->left_is_zero && result_holds());
		CHECK(parse_until(text + chance((uint32_t)(end - text))) == MSG_BAD_JSON);
	}
}

static void run_text_tests(void)
{
	RUN(test_grammar_values);
	RUN(test_grammar_texts);
	RUN(test_grammar_apostrophes);
	RUN(test_grammar_nul);
	RUN(test_grammar_string_bytes);
	RUN(test_prefixes);
	RUN(test_depth);
	RUN(test_depth_of_200000);
	RUN(test_token_count);
	RUN(test_no_quadratic_time);
	RUN(test_long_strings);
}

static void run_field_tests(void)
{
	RUN(test_actions);
	RUN(test_actions_that_are_none);
	RUN(test_action_text);
	RUN(test_fault_order);
	RUN(test_ids);
	RUN(test_id_text);
	RUN(test_ids_at_random);
	RUN(test_event);
	RUN(test_left);
	RUN(test_numwant);
	RUN(test_numwant_of_many_digits);
	RUN(test_numwant_at_random);
	RUN(test_last_of_duplicates);
	RUN(test_offers_verbatim);
	RUN(test_offers_unusable);
	RUN(test_offers_last_of_duplicates);
	RUN(test_offers_many);
	RUN(test_offer_id_length);
	RUN(test_answer);
	RUN(test_answer_unusable);
	RUN(test_scrape);
	RUN(test_scrape_bad);
	RUN(test_scrape_many);
}

int main(void)
{
	area = guard_alloc(AREA_SIZE);
	scratch = guard_alloc(msg_scratch_size());
	id_area = guard_alloc(MSG_ID_TEXT_MAX);
	action_area = guard_alloc(MSG_ACTION_TEXT_MAX);
	msg = malloc(sizeof *msg);
	if (msg == NULL)
		return 2;
	run_text_tests();
	run_field_tests();
	RUN(test_mutants);
	RUN(test_structures);
	free(msg);
	return test_end();
}
