/* text.c - see text.h */
#include "text.h"

#include <string.h>
#include <time.h>

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	if (text->full || length > text->max - text->length) {
		text->full = true;
		return;
	}
	memcpy(text->start + text->length, bytes, length);
	text->length += length;
}

void text_add_number(struct text *text, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	text_add_bytes(text, digits + at, sizeof digits - at);
}

void text_add_grouped(struct text *text, uint64_t number)
{
	char digits[26];
	size_t at = sizeof digits;
	int count = 0;

	do {
		if (count > 0 && count % 3 == 0)
			digits[--at] = ',';
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
		count++;
	} while (number > 0);
	text_add_bytes(text, digits + at, sizeof digits - at);
}

static const char hex_digits[] = "0123456789abcdef";

void text_add_hex(struct text *text, const uint8_t *bytes, size_t length)
{
	size_t before = text->length, i;

	for (i = 0; i < length; i++) {
		char pair[2] = { hex_digits[bytes[i] >> 4], hex_digits[bytes[i] & 15] };

		text_add_bytes(text, pair, sizeof pair);
	}
	if (text->full)
		text->length = before;
}

void text_add_escaped(struct text *text, const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)bytes[i];
		char escape[4] = { '\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15] };

		if (byte >= ' ' && byte <= '~' && byte != '\\')
			text_add_bytes(text, bytes + i, 1);
		else
			text_add_bytes(text, escape, sizeof escape);
	}
}

void text_add_html(struct text *text, const char *string)
{
	size_t before = text->length;

	for (; *string != '\0'; string++) {
		switch (*string) {
		case '&': text_add(text, "&amp;"); break;
		case '<': text_add(text, "&lt;"); break;
		case '>': text_add(text, "&gt;"); break;
		case '"': text_add(text, "&quot;"); break;
		case '\'': text_add(text, "&#39;"); break;
		default: text_add_bytes(text, string, 1);
		}
	}
	if (text->full)
		text->length = before;
}

void text_add_json(struct text *text, const char *string)
{
	size_t before = text->length;

	for (; *string != '\0'; string++) {
		if (*string == '"' || *string == '\\')
			text_add(text, "\\");
		text_add_bytes(text, string, 1);
	}
	if (text->full)
		text->length = before;
}

void text_add_time(struct text *text, int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm parts;
	char date[32];

	if (gmtime_r(&time, &parts) != NULL &&
	    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
		text_add(text, date);
}

char *text_end(struct text *text)
{
	if (text->length == text->max)
		text->length--;
	text->start[text->length] = '\0';
	return text->start;
}
