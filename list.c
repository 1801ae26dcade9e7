/* list.c - see list.h */
#include "list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <unistd.h>

#include "hash.h"
#include "pages.h"

#define HEX_DIGITS 40
#define BASE32_DIGITS 32
#define LINE_MIN (HEX_DIGITS + 1)   /* bytes that each info_hash takes in a text */
#define PART_SIZE (1 << 20)         /* a multiple of whatever a system has for a page */
#define BATCH 32                    /* entries whose memory is fetched at a time */
#define BATCHES 64                  /* of a step */
#define TOUCH_SIZE 262144           /* bytes of new pages that a step takes */
#define VALUE_MAX 64                /* more than `urn:btih:` and its digits */

struct entry {
	uint8_t info_hash[LIST_HASH_SIZE];
	uint32_t next;          /* chain of the table */
};

_Static_assert(sizeof(struct entry) + sizeof(uint32_t) <= 32, "the budget, with a bucket");

/* Address space of which the end is given back first. */
struct region {
	uint8_t *at;
	size_t size;
};

struct list {
	struct hash_secret secret;
	struct entry *entry;    /* by number, from 1 */
	uint32_t *bucket;       /* first entry of each chain, 0: empty; NULL: not made yet */
	uint32_t count, bucket_count;
	struct region entries, buckets;
};

struct list_loader {
	struct list *list;      /* NULL: taken */
	int fd;                 /* -1: none, or closed */
	uint64_t size, seen;    /* bytes of the text, and of them those that came */
	uint64_t line;          /* number of the next line */
	uint32_t most;          /* entries that there is room for */
	uint32_t added;         /* of them those that were read, some maybe repeatedly */
	size_t touched;         /* bytes of the buckets that are in memory */
	uint32_t indexed;       /* entries that are in the table, or are in it already */
	size_t held;            /* bytes of the start of the line */
	char start[LIST_LINE_MAX];
	char slice[LIST_SLICE];
};

/* -- lists ------------------------------------------------------------------------------ */

static uint32_t bucket_of(const struct list *list, const uint8_t *info_hash)
{
	uint64_t hash = hash_bytes(&list->secret, info_hash, LIST_HASH_SIZE) & UINT32_MAX;

	return (uint32_t)(hash * list->bucket_count >> 32);
}

/* The entry of an info_hash in a chain, 0 if it has none. */
static uint32_t find(const struct list *list, uint32_t at, const uint8_t *info_hash)
{
	while (at != 0 && memcmp(list->entry[at].info_hash, info_hash, LIST_HASH_SIZE) != 0)
		at = list->entry[at].next;
	return at;
}

bool list_has(const struct list *list, const uint8_t info_hash[static LIST_HASH_SIZE])
{
	return find(list, list->bucket[bucket_of(list, info_hash)], info_hash) != 0;
}

uint32_t list_count(const struct list *list)
{
	return list->count;
}

static size_t entries_size(uint32_t count)
{
	return ((size_t)count + 1) * sizeof(struct entry);
}

size_t list_memory(const struct list *list)
{
	return pages_round(entries_size(list->count)) +
	    pages_round(list->bucket_count * sizeof(uint32_t));
}

static bool region_reserve(struct region *region, size_t size)
{
	region->size = pages_round(size);
	region->at = pages_reserve(region->size);
	if (region->at == NULL)
		region->size = 0;
	return region->at != NULL;
}

/* The size with the part in which the last byte is. */
static size_t parts_round(size_t size)
{
	return (size + PART_SIZE - 1) / PART_SIZE * PART_SIZE;
}

/* Give back all parts but those of the first bytes. */
static void region_keep(struct region *region, size_t size)
{
	size_t kept = parts_round(size);

	if (kept >= region->size)
		return;
	pages_release(region->at + kept, region->size - kept);
	region->size = kept;
}

/* The same one part at a time, as what was touched costs time. Returns true when it is done. */
static bool region_shrink(struct region *region, size_t size)
{
	if (parts_round(size) < region->size)
		region_keep(region, parts_round(region->size) - PART_SIZE);
	return parts_round(size) >= region->size;
}

bool list_free_part(struct list *list)
{
	if (list == NULL)
		return true;
	if (!region_shrink(list->entries.size > 0 ? &list->entries : &list->buckets, 0) ||
	    list->buckets.size > 0)
		return false;
	free(list);
	return true;
}

void list_free(struct list *list)
{
	while (!list_free_part(list))
		continue;
}

/* Entries for so many at most. NULL with errno set. */
static struct list *list_new(uint32_t most)
{
	struct list *list = calloc(1, sizeof *list);

	if (list == NULL)
		return NULL;
	if (getentropy(&list->secret, sizeof list->secret) == 0 &&
	    region_reserve(&list->entries, entries_size(most))) {
		list->entry = (struct entry *)(void *)list->entries.at;
		return list;
	}
	free(list);
	return NULL;
}

/* -- the table -------------------------------------------------------------------------- */

/*
 * Entries are put into the table when all are there: so it has the right size at once, and the
 * memory of many, which is all over the place, can be fetched at a time.
 */
static bool table_begin(struct list_loader *loader)
{
	struct list *list = loader->list;

	region_keep(&list->entries, entries_size(loader->added));
	list->bucket_count = loader->added > 0 ? loader->added : 1;
	if (!region_reserve(&list->buckets, list->bucket_count * sizeof(uint32_t)))
		return false;
	list->bucket = (uint32_t *)(void *)list->buckets.at;
	return true;
}

/* An entry is put behind those that are in the table, unless it is one of them. */
static void table_insert(struct list *list, uint32_t from, uint32_t bucket)
{
	uint32_t first = list->bucket[bucket], at;

	if (find(list, first, list->entry[from].info_hash) != 0)
		return;
	at = ++list->count;
	if (at != from)
		list->entry[at] = list->entry[from];
	list->entry[at].next = first;
	list->bucket[bucket] = at;
}

static void table_insert_batch(struct list *list, uint32_t from, uint32_t count)
{
	uint32_t bucket[BATCH], i;

	for (i = 0; i < count; i++) {
		bucket[i] = bucket_of(list, list->entry[from + i].info_hash);
		__builtin_prefetch(&list->bucket[bucket[i]]);
	}
	for (i = 0; i < count; i++)
		__builtin_prefetch(&list->entry[list->bucket[bucket[i]]]);
	for (i = 0; i < count; i++)
		table_insert(list, from + i, bucket[i]);
}

/* Take the memory of some buckets. The first entries of all would else take a new page each, which
 * is a step of milliseconds. */
static void table_touch(struct list_loader *loader)
{
	struct region *buckets = &loader->list->buckets;
	size_t left = buckets->size - loader->touched;

	left = left < TOUCH_SIZE ? left : TOUCH_SIZE;
	memset(buckets->at + loader->touched, 0, left);
	loader->touched += left;
}

/* Returns true when all are in the table. */
static bool table_step(struct list_loader *loader)
{
	struct list *list = loader->list;
	uint32_t left, i;

	if (loader->touched < list->buckets.size) {
		table_touch(loader);
		return false;
	}
	for (i = 0; i < BATCHES; i++) {
		left = loader->added - loader->indexed;
		left = left < BATCH ? left : BATCH;
		table_insert_batch(list, loader->indexed + 1, left);
		loader->indexed += left;
	}
	/* Those that were there already leave room behind. */
	return loader->indexed == loader->added &&
	    region_shrink(&list->entries, entries_size(list->count));
}

/* -- lines ------------------------------------------------------------------------------ */

/* Each digit's value and one more; 0 is none. */
static const uint8_t hex_digits[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15,
	['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};

static unsigned hex_digit(char c)
{
	return hex_digits[(uint8_t)c];
}

static bool decode_hex(const char *digits, uint8_t info_hash[static LIST_HASH_SIZE])
{
	unsigned good = 1, high, low, i;

	for (i = 0; i < LIST_HASH_SIZE; i++) {
		high = hex_digit(digits[2 * i]);
		low = hex_digit(digits[2 * i + 1]);
		good &= high != 0 && low != 0;
		info_hash[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return good;
}

static int base32_value(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static bool decode_base32(const char *digits, uint8_t info_hash[static LIST_HASH_SIZE])
{
	unsigned bits = 0, count = 0, i;
	int value;

	for (i = 0; i < BASE32_DIGITS; i++) {
		value = base32_value(digits[i]);
		if (value < 0)
			return false;
		bits = (bits << 5 | (unsigned)value) & 0xfff;
		count += 5;
		if (count >= 8) {
			count -= 8;
			*info_hash++ = (uint8_t)(bits >> count);
		}
	}
	return true;
}

/* What percent-encoding means, as much of it as there is room for. Returns its length. */
static size_t decode_percent(const char *text, size_t length, char value[static VALUE_MAX])
{
	size_t used = 0, at = 0;

	while (at < length && used < VALUE_MAX) {
		unsigned high = 0, low = 0;

		if (text[at] == '%' && length - at > 2) {
			high = hex_digit(text[at + 1]);
			low = hex_digit(text[at + 2]);
		}
		if (high != 0 && low != 0) {
			value[used++] = (char)((high - 1) << 4 | (low - 1));
			at += 3;
		} else {
			value[used++] = text[at++];
		}
	}
	return used;
}

static bool begins(const char *text, size_t length, const char *with)
{
	size_t size = strlen(with);

	return length >= size && strncasecmp(text, with, size) == 0;
}

/* A parameter of a magnet link by its name, `xt`, `xt.1` and so on: where its value begins, NULL if
 * it is another one. */
static const char *exact_topic(const char *parameter, size_t length)
{
	const char *equals = memchr(parameter, '=', length);

	if (equals == NULL || !begins(parameter, length, "xt"))
		return NULL;
	return parameter[2] == '=' || parameter[2] == '.' ? equals + 1 : NULL;
}

static const char no_hash[] = "a magnet link without xt=urn:btih:";
static const char only_v2[] =
    "a magnet link of BitTorrent v2 alone (urn:btmh:), which has no info_hash of 20 bytes";
static const char bad_hash[] =
    "after urn:btih: there must be 40 hexadecimal digits or 32 of base32";

static const char *add(struct list_loader *loader, const uint8_t *info_hash)
{
	if (loader->added == loader->most)
		return "there are more info_hashes than a list can have";
	loader->added++;
	memcpy(loader->list->entry[loader->added].info_hash, info_hash, LIST_HASH_SIZE);
	return NULL;
}

/* The value of an xt. *found is what is wrong with a link that has no more than this. */
static const char *read_topic(struct list_loader *loader, const char *text, size_t length,
    const char **found)
{
	static const char btih[] = "urn:btih:";
	uint8_t info_hash[LIST_HASH_SIZE];
	char value[VALUE_MAX];
	size_t size = sizeof btih - 1;
	bool good;

	length = decode_percent(text, length, value);
	if (begins(value, length, "urn:btmh:") && *found != NULL)
		*found = only_v2;
	if (!begins(value, length, btih))
		return NULL;
	good = length - size == HEX_DIGITS ? decode_hex(value + size, info_hash) :
	    length - size == BASE32_DIGITS && decode_base32(value + size, info_hash);
	if (!good)
		return bad_hash;
	*found = NULL;
	return add(loader, info_hash);
}

/* What follows `magnet:?`. */
static const char *read_magnet(struct list_loader *loader, const char *text, size_t length)
{
	const char *end = text + length, *wrong = NULL, *found = no_hash;

	while (wrong == NULL && text < end) {
		const char *next = memchr(text, '&', (size_t)(end - text)), *value;

		if (next == NULL)
			next = end;
		value = exact_topic(text, (size_t)(next - text));
		if (value != NULL)
			wrong = read_topic(loader, value, (size_t)(next - value), &found);
		text = next < end ? next + 1 : end;
	}
	return wrong != NULL ? wrong : found;
}

static const char too_long[] = "longer than 8192 bytes";

_Static_assert(LIST_LINE_MAX == 8192, "as the error says");

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The length of a line without its comment. */
static size_t comment_start(const char *line, size_t length)
{
	const char *end = line + length, *at = memchr(line, '#', length);

	while (at != NULL && at > line && !is_blank(at[-1]))
		at = memchr(at + 1, '#', (size_t)(end - at - 1));
	return at != NULL ? (size_t)(at - line) : length;
}

/* A line without its end. Returns what is wrong with it, NULL if nothing is. */
static const char *read_line(struct list_loader *loader, const char *line, size_t length)
{
	static const char mark[] = "\xef\xbb\xbf", magnet[] = "magnet:?";
	uint8_t info_hash[LIST_HASH_SIZE];

	if (length > LIST_LINE_MAX)
		return too_long;
	if (loader->line == 1 && length >= 3 && memcmp(line, mark, 3) == 0) {
		line += 3;
		length -= 3;
	}
	length = comment_start(line, length);
	for (; length > 0 && is_blank(*line); length--)
		line++;
	while (length > 0 && is_blank(line[length - 1]))
		length--;
	if (length == 0)
		return NULL;
	if (length == HEX_DIGITS && decode_hex(line, info_hash))
		return add(loader, info_hash);
	if (begins(line, length, magnet))
		return read_magnet(loader, line + sizeof magnet - 1,
		    length - (sizeof magnet - 1));
	return "neither 40 hexadecimal digits nor a magnet link";
}

/* -- loading ------------------------------------------------------------------------------ */

static enum list_state fail(const char *why, char error[static LIST_ERROR_MAX])
{
	snprintf(error, LIST_ERROR_MAX, "%s", why);
	return LIST_FAILED;
}

static enum list_state fail_line(const struct list_loader *loader, const char *why,
    char error[static LIST_ERROR_MAX])
{
	snprintf(error, LIST_ERROR_MAX, "line %llu: %s", (unsigned long long)loader->line, why);
	return LIST_FAILED;
}

static enum list_state fail_changed(char error[static LIST_ERROR_MAX])
{
	return fail("it was changed while it was read", error);
}

struct list_loader *list_loader_new_text(uint64_t size, char error[static LIST_ERROR_MAX])
{
	struct list_loader *loader = malloc(sizeof *loader);
	uint64_t most = size / LINE_MIN + 1;

	if (loader != NULL) {
		loader->fd = -1;
		loader->size = size;
		loader->seen = 0;
		loader->line = 1;
		loader->most = (uint32_t)(most < LIST_MAX ? most : LIST_MAX);
		loader->added = loader->indexed = 0;
		loader->held = loader->touched = 0;
		loader->list = list_new(loader->most);
		if (loader->list != NULL)
			return loader;
	}
	fail(strerror(errno), error);
	free(loader);
	return NULL;
}

struct list_loader *list_loader_new(int fd, char error[static LIST_ERROR_MAX])
{
	struct list_loader *loader = NULL;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size >= 0 && lseek(fd, 0, SEEK_SET) == 0)
		loader = list_loader_new_text((uint64_t)size, error);
	else
		fail(errno == ESPIPE ? "not a regular file" : strerror(errno), error);
	if (loader != NULL)
		loader->fd = fd;
	else if (fd >= 0)
		close(fd);
	return loader;
}

/* Keep the start of a line. Returns false if it is too long to be one. */
static bool hold(struct list_loader *loader, const char *bytes, size_t size)
{
	if (size > LIST_LINE_MAX - loader->held)
		return false;
	memcpy(loader->start + loader->held, bytes, size);
	loader->held += size;
	return true;
}

/* A line of which the start may be held, and this is the rest. */
static const char *end_line(struct list_loader *loader, const char *rest, size_t length)
{
	const char *wrong;

	if (loader->held == 0) {
		wrong = read_line(loader, rest, length);
	} else if (hold(loader, rest, length)) {
		wrong = read_line(loader, loader->start, loader->held);
		loader->held = 0;
	} else {
		wrong = too_long;
	}
	return wrong;
}

enum list_state list_loader_add(struct list_loader *loader, const void *bytes, size_t size,
    char error[static LIST_ERROR_MAX])
{
	const char *at = bytes, *end = at + size, *next, *wrong;

	if (size > loader->size - loader->seen)
		return fail_changed(error);
	loader->seen += size;
	while (at < end && (next = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		wrong = end_line(loader, at, (size_t)(next - at));
		if (wrong != NULL)
			return fail_line(loader, wrong, error);
		loader->line++;
		at = next + 1;
	}
	if (at < end && !hold(loader, at, (size_t)(end - at)))
		return fail_line(loader, too_long, error);
	return LIST_MORE;
}

/* The text is there: its last line may lack its end. */
static enum list_state end_text(struct list_loader *loader, char error[static LIST_ERROR_MAX])
{
	const char *wrong;

	if (loader->seen != loader->size)
		return fail_changed(error);
	wrong = end_line(loader, "", 0);
	if (wrong != NULL)
		return fail_line(loader, wrong, error);
	return table_begin(loader) ? LIST_MORE : fail(strerror(errno), error);
}

enum list_state list_loader_end(struct list_loader *loader, char error[static LIST_ERROR_MAX])
{
	if (loader->list->bucket == NULL)
		return end_text(loader, error);
	return table_step(loader) ? LIST_DONE : LIST_MORE;
}

enum list_state list_loader_step(struct list_loader *loader, char error[static LIST_ERROR_MAX])
{
	ssize_t got;

	if (loader->list->bucket != NULL)
		return list_loader_end(loader, error);
	do
		got = read(loader->fd, loader->slice, sizeof loader->slice);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail(strerror(errno), error);
	if (got == 0)
		return list_loader_end(loader, error);
	return list_loader_add(loader, loader->slice, (size_t)got, error);
}

struct list *list_loader_take(struct list_loader *loader)
{
	struct list *list = loader->list;

	/* If it is not done: what was reserved and not touched costs no time. */
	region_keep(&list->entries, entries_size(loader->added));
	loader->list = NULL;
	return list;
}

void list_loader_free(struct list_loader *loader)
{
	if (loader == NULL)
		return;
	if (loader->list != NULL)
		list_free(list_loader_take(loader));
	if (loader->fd >= 0)
		close(loader->fd);
	free(loader);
}
