/* test_text.c - text put together in memory of every size, which ends at a guard page. */
#include "test.h"

#include <inttypes.h>
#include <string.h>

#include "../text.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

enum way { BYTES, STRING, NUMBER, ESCAPED, HEX, HTML, JSON };

/* One addition: what goes in (a number in decimal) and what it comes to. */
struct addition {
	enum way way;
	const char *input;
	size_t length;
	const char *expected;
};

#define INPUT(text) (text), sizeof(text) - 1

static const struct addition additions[] = {
	{ BYTES, INPUT("abc\0de\xff"), "abc" },         /* compared by its own length */
	{ STRING, INPUT("announce"), "announce" },
	{ NUMBER, INPUT("0"), "0" },
	{ NUMBER, INPUT("1024"), "1024" },
	{ NUMBER, INPUT("18446744073709551615"), "18446744073709551615" },
	{ ESCAPED, INPUT("a\n\\\x7f\xff~ \"<"), "a\\x0a\\x5c\\x7f\\xff~ \"<" },
	{ ESCAPED, INPUT("\0\0"), "\\x00\\x00" },
	{ HEX, INPUT("\x00\x01\xab\xff"), "0001abff" },
	{ HTML, INPUT("<b>\"&'</b>"), "&lt;b&gt;&quot;&amp;&#39;&lt;/b&gt;" },
	{ HTML, INPUT("plain 1.2"), "plain 1.2" },
	{ JSON, INPUT("\"a\\b\"/<&'"), "\\\"a\\\\b\\\"/<&'" },
	{ JSON, INPUT("\\"), "\\\\" },
	{ STRING, INPUT(""), "" },
	{ ESCAPED, INPUT(""), "" },
	{ HEX, INPUT(""), "" },
	{ HTML, INPUT(""), "" },
	{ JSON, INPUT(""), "" }
};

static void add(struct text *text, const struct addition *addition)
{
	const char *input = addition->input;

	switch (addition->way) {
	case BYTES: text_add_bytes(text, input, addition->length); break;
	case STRING: text_add(text, input); break;
	case NUMBER: text_add_number(text, strtoumax(input, NULL, 10)); break;
	case ESCAPED: text_add_escaped(text, input, addition->length); break;
	case HEX: text_add_hex(text, (const uint8_t *)input, addition->length); break;
	case HTML: text_add_html(text, input); break;
	case JSON: text_add_json(text, input); break;
	}
}

static size_t expected_length(const struct addition *addition)
{
	return addition->way == BYTES ? addition->length : strlen(addition->expected);
}

static const char *expected_bytes(const struct addition *addition)
{
	return addition->way == BYTES ? addition->input : addition->expected;
}

/* How much stays of what does not fit: nothing, but of escaped text the bytes before. */
static size_t part_length(const struct addition *addition, size_t max)
{
	size_t length = 0, step;

	if (addition->way != ESCAPED)
		return 0;
	for (;; length += step) {
		step = addition->expected[length] == '\\' ? 4 : 1;
		if (length + step > max)
			return length;
	}
}

/* After `before` bytes, with room for `room` more. */
static bool add_is_right(const struct addition *addition, size_t before, size_t room)
{
	size_t whole = expected_length(addition), max = before + room, part;
	struct text text = { .start = guard_alloc(max), .max = max };
	bool right;

	memset(text.start, '#', max);
	text.length = before;
	add(&text, addition);
	part = whole <= room ? whole : part_length(addition, room);
	right = text.full == (whole > room) && text.length == before + part && text.max == max &&
	    memcmp(text.start + before, expected_bytes(addition), part) == 0;
	for (size_t i = 0; i < before; i++)
		right = right && text.start[i] == '#';
	if (right && text.full) {       /* from now on nothing is added, whether it fits or not */
		text_add(&text, "");
		text_add_bytes(&text, "x", 1);
		text_add_number(&text, 1);
		text_add_escaped(&text, "x", 1);
		text_add_hex(&text, (const uint8_t *)"", 0);
		text_add_html(&text, "x");
		text_add_json(&text, "x");
		right = text.full && text.length == before + part;
	}
	guard_free(text.start, max);
	return right;
}

static void every_size(void)
{
	for (size_t i = 0; i < COUNT(additions); i++) {
		size_t whole = expected_length(&additions[i]);

		for (size_t before = 0; before < 3; before++) {
			for (size_t room = 0; room <= whole + 2; room++) {
				bool right = add_is_right(&additions[i], before, room);

				CHECK(right);
				if (!right)
					printf("addition %zu, room %zu\n", i, room);
			}
		}
	}
}

static void one_after_the_other(void)
{
	char memory[200];
	struct text text = TEXT_IN(memory);

	CHECK(text.start == memory && text.max == 200 && text.length == 0 && !text.full);
	text_add(&text, "a");
	text_add_number(&text, 20);
	text_add_hex(&text, (const uint8_t *)"\xc3", 1);
	text_add_html(&text, "<");
	text_add_json(&text, "\"");
	text_add_escaped(&text, "\\", 1);
	text_add_bytes(&text, "z", 1);
	CHECK(!text.full);
	CHECK(strcmp(text_end(&text), "a20c3&lt;\\\"\\x5cz") == 0);
	CHECK(text.length == strlen(memory));
}

static void numbers(void)
{
	static const uint64_t offsets[] = { 0, 1, 2, UINT64_MAX, UINT64_MAX - 1 };
	char expected[32], memory[32];
	uint64_t power = 1;

	for (int digits = 0; digits < 20; digits++, power *= 10) {
		for (size_t i = 0; i < COUNT(offsets); i++) {
			struct text text = TEXT_IN(memory);

			text_add_number(&text, power + offsets[i]);
			snprintf(expected, sizeof expected, "%" PRIu64, power + offsets[i]);
			CHECK(strcmp(text_end(&text), expected) == 0);
		}
	}
}

/* Digits in groups of three, at each length. */
static void grouped(void)
{
	static const struct { uint64_t number; const char *text; } cases[] = {
		{ 0, "0" }, { 7, "7" }, { 12, "12" }, { 999, "999" }, { 1000, "1,000" },
		{ 12345, "12,345" }, { 100000, "100,000" }, { 1000007, "1,000,007" },
		{ UINT64_MAX, "18,446,744,073,709,551,615" }
	};
	char memory[32];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text text = TEXT_IN(memory);

		text_add_grouped(&text, cases[i].number);
		CHECK(strcmp(text_end(&text), cases[i].text) == 0);
	}
}

/* Every byte, as the header says of it. */
static void every_byte(void)
{
	char expected[8], memory[8];

	for (int i = 0; i < 256; i++) {
		char byte = (char)i;
		bool printable = i >= ' ' && i <= '~' && i != '\\';
		struct text text = TEXT_IN(memory);

		snprintf(expected, sizeof expected, printable ? "%c" : "\\x%02x", i);
		text_add_escaped(&text, &byte, 1);
		CHECK(strcmp(text_end(&text), expected) == 0);
		text = TEXT_IN(memory);
		snprintf(expected, sizeof expected, "%02x", i);
		text_add_hex(&text, (const uint8_t *)&byte, 1);
		CHECK(strcmp(text_end(&text), expected) == 0);
	}
}

/* Of what is printable, only those that mean something are written in another way. */
static void every_character(void)
{
	char memory[16];

	for (char c = ' '; c <= '~'; c++) {
		char string[2] = { c, '\0' };
		struct text text = TEXT_IN(memory);

		text_add_html(&text, string);
		if (strchr("<>&\"'", c) == NULL)
			CHECK(strcmp(text_end(&text), string) == 0);
		else
			CHECK(strpbrk(text_end(&text), "<>\"'") == NULL && text.length >= 4);
		text = TEXT_IN(memory);
		text_add_json(&text, string);
		CHECK(strcmp(text_end(&text) + (c == '"' || c == '\\'), string) == 0);
		CHECK(text.length == (c == '"' || c == '\\' ? 2 : 1));
		CHECK(text.length == 1 || memory[0] == '\\');
	}
}

/* The last byte gives way to the terminating one, only if it must. */
static void ends(void)
{
	for (size_t max = 1; max < 6; max++) {
		for (size_t length = 0; length <= max; length++) {
			struct text text = { .start = guard_alloc(max), .max = max };
			size_t left = length < max ? length : max - 1;

			text_add_bytes(&text, "abcdef", length);
			CHECK(!text.full);
			CHECK(text_end(&text) == text.start);
			CHECK(text.length == left && strlen(text.start) == left);
			CHECK(memcmp(text.start, "abcdef", left) == 0);
			guard_free(text.start, max);
		}
	}
}

int main(void)
{
	RUN(every_size);
	RUN(one_after_the_other);
	RUN(numbers);
	RUN(grouped);
	RUN(every_byte);
	RUN(every_character);
	RUN(ends);
	return test_end();
}
