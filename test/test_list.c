/*
 * test_list.c - reading lists of info_hashes, at every cut, against a naive set; what they take.
 *
 * `test_list speed` measures instead.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../list.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define MILLION 1000000u

#define ONE "0123456789abcdef0123456789abcdef01234567"
#define ONE_BASE32 "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
#define TWO "fedcba9876543210fedcba9876543210fedcba98"
#define TWO_BASE32 "73OLVGDWKQZBB7W4XKMHMVBSCD7NZOUY"

static const uint8_t one[LIST_HASH_SIZE] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
	0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67
};
static const uint8_t two[LIST_HASH_SIZE] = {
	0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0xfe, 0xdc,
	0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0xfe, 0xdc, 0xba, 0x98
};

/* -- what the module calls ------------------------------------------------------------------ */

void *__real_pages_reserve(size_t size);
void *__wrap_pages_reserve(size_t size);
void __real_pages_release(void *pages, size_t size);
void __wrap_pages_release(void *pages, size_t size);
int __real_getentropy(void *bytes, size_t size);
int __wrap_getentropy(void *bytes, size_t size);
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);

static struct {
	void *at[2];            /* what was reserved last */
	size_t size[2];
	size_t reserved;        /* bytes that were not given back */
	size_t most;            /* bytes of memory, not address space, that one call gave back */
	size_t secrets;         /* bytes */
	int reserve_fails;      /* the nth call, counted down */
	bool entropy_fails;
	bool unwatched;         /* what is given back is not looked at */
	int read_fault;         /* errno of each second read; 0: none */
	unsigned reads;
	size_t read_most;       /* bytes of a read; 0: all that are asked for */
} calls;

/* Bytes of pages that are in memory. */
static size_t resident(void *pages, size_t size)
{
	size_t page = guard_pages(0), count = (size + page - 1) / page, sum = 0, i;
	unsigned char *there;

	if (size == 0)
		return 0;
	there = calloc(count, 1);
	CHECK(mincore(pages, size, (void *)there) == 0);
	for (i = 0; i < count; i++)
		sum += there[i] & 1 ? page : 0;
	free(there);
	return sum;
}

/* What the list or loader that is there takes. */
static size_t resident_now(void)
{
	return resident(calls.at[0], calls.size[0]) + resident(calls.at[1], calls.size[1]);
}

void *__wrap_pages_reserve(size_t size)
{
	void *pages;

	if (calls.reserve_fails > 0 && --calls.reserve_fails == 0) {
		errno = ENOMEM;
		return NULL;
	}
	pages = __real_pages_reserve(size);
	if (pages == NULL)
		return NULL;
	calls.reserved += size;
	calls.at[0] = calls.at[1];
	calls.size[0] = calls.size[1];
	calls.at[1] = pages;
	calls.size[1] = size;
	return pages;
}

void __wrap_pages_release(void *pages, size_t size)
{
	bool watched = !calls.unwatched && pages != NULL && size < (size_t)100 << 20;
	size_t memory = watched ? resident(pages, size) : 0;
	int i;

	if (memory > calls.most)
		calls.most = memory;
	if (pages != NULL)
		calls.reserved -= size;
	for (i = 0; i < 2; i++) {
		if ((char *)pages >= (char *)calls.at[i] &&
		    (char *)pages + size == (char *)calls.at[i] + calls.size[i])
			calls.size[i] -= size;
	}
	__real_pages_release(pages, size);
}

int __wrap_getentropy(void *bytes, size_t size)
{
	calls.secrets += size;
	if (!calls.entropy_fails)
		return __real_getentropy(bytes, size);
	errno = ENOSYS;
	return -1;
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	if (calls.read_fault != 0 && calls.reads++ % 2 != 0) {
		errno = calls.read_fault;
		return -1;
	}
	return __real_read(fd, bytes, calls.read_most != 0 && size > calls.read_most ?
	    calls.read_most : size);
}

/* -- texts ------------------------------------------------------------------------------ */

/* Load a text in two pieces, then in pieces of `rest` bytes. */
static struct list *load_cut(const char *text, size_t length, size_t first, size_t rest,
    char error[static LIST_ERROR_MAX])
{
	struct list_loader *loader = list_loader_new_text(length, error);
	enum list_state state = LIST_MORE;
	struct list *list = NULL;
	size_t at = 0;

	while (at < length && state == LIST_MORE) {
		size_t size = at == 0 && first > 0 ? first : rest;
		void *piece;

		size = size < length - at ? size : length - at;
		piece = guard_copy(text + at, size);
		state = list_loader_add(loader, piece, size, error);
		guard_free(piece, size);
		at += size;
	}
	while (state == LIST_MORE)
		state = list_loader_end(loader, error);
	if (state == LIST_DONE)
		list = list_loader_take(loader);
	list_loader_free(loader);
	return list;
}

static struct list *load(const char *text, char error[static LIST_ERROR_MAX])
{
	size_t length = strlen(text);

	return load_cut(text, length, length, 1, error);
}

/* The cuts that are tried: whole, in two at each byte, bytes, and pieces of a few. */
#define CUTS(length) ((length) + 8)

static struct list *load_some_cut(const char *text, size_t length, size_t cut,
    char error[static LIST_ERROR_MAX])
{
	if (cut < length + 1)
		return load_cut(text, length, cut, length, error);
	return load_cut(text, length, 0, cut - length, error);
}

enum { HAS_NONE, HAS_ONE, HAS_TWO, HAS_BOTH };

static const struct {
	const char *text;
	unsigned has;
} good[] = {
	{ "", HAS_NONE },
	{ "\n", HAS_NONE },
	{ "\n\n \n\t\r\n", HAS_NONE },
	{ ONE, HAS_ONE },
	{ ONE "\n", HAS_ONE },
	{ ONE "\r\n", HAS_ONE },
	{ ONE "\r", HAS_ONE },
	{ "0123456789ABCDEF0123456789abcdef01234567\n", HAS_ONE },
	{ "0123456789aBcDeF0123456789AbCdEf01234567\n", HAS_ONE },
	{ ONE "\n" TWO "\n", HAS_BOTH },
	{ ONE "\r\n\r\n" TWO, HAS_BOTH },
	{ ONE "\n" ONE "\n" ONE, HAS_ONE },
	{ "  \t" ONE " \t \r\n\t" TWO "\t\n", HAS_BOTH },
	{ "#", HAS_NONE },
	{ "# " ONE "\n", HAS_NONE },
	{ "#" ONE "\n" TWO, HAS_TWO },
	{ "  # " ONE "\n\t#\n" TWO " # two\n", HAS_TWO },
	{ ONE "\t#" TWO "\n", HAS_ONE },
	{ ONE " #\n" TWO " ##\n", HAS_BOTH },
	{ ONE "\r#\n", HAS_ONE },
	{ "# magnet:?xt=urn:btih:x\n", HAS_NONE },
	{ "\xef\xbb\xbf", HAS_NONE },
	{ "\xef\xbb\xbf" ONE "\n" TWO, HAS_BOTH },
	{ "\xef\xbb\xbf# " ONE "\n" TWO, HAS_TWO },
	{ "\xef\xbb\xbf\r\n" ONE, HAS_ONE },
	{ "magnet:?xt=urn:btih:" ONE, HAS_ONE },
	{ "magnet:?xt=urn:btih:" ONE_BASE32, HAS_ONE },
	{ "magnet:?xt=urn:btih:aerukz4jvpg66ajdivtytk6n54asgrlh\n", HAS_ONE },
	{ "magnet:?xt=urn:btih:" ONE_BASE32 "\nmagnet:?xt=urn:btih:" TWO_BASE32 "\r\n", HAS_BOTH },
	{ "Magnet:?XT=URN:BTIH:" ONE "\n", HAS_ONE },
	{ " magnet:?xt=urn:btih:" ONE "&dn=a+name \t\r\n", HAS_ONE },
	{ "magnet:?dn=a%20name&tr=wss%3A%2F%2Fexample.org&xt=urn:btih:" ONE "&x.pe=1\n", HAS_ONE },
	{ "magnet:?&&xt=urn:btih:" ONE "&&", HAS_ONE },
	{ "magnet:?xt.1=urn:btih:" ONE "&xt.2=urn:btih:" TWO_BASE32, HAS_BOTH },
	{ "magnet:?xt=urn:btih:" ONE "&xt=urn:btmh:1220" ONE "012345678901234567890123", HAS_ONE },
	{ "magnet:?xt=urn:btmh:1220" ONE "012345678901234567890123&xt=urn:btih:" TWO, HAS_TWO },
	{ "magnet:?xt=urn:sha1:" ONE_BASE32 "&xt=urn:btih:" TWO, HAS_TWO },
	{ "magnet:?xt=urn%3Abtih%3a" ONE, HAS_ONE },
	{ "magnet:?xt=urn:btih:%30123456789abcdef0123456789abcdef0123456%37", HAS_ONE },
	{ "magnet:?dn=My File&xt=urn:btih:" ONE " # mine\n", HAS_ONE },
	{ "magnet:?dn=100%&x=%4&xt=urn:btih:" ONE "\n", HAS_ONE },
	{ "magnet:?dn=a#b&xt=urn:btih:" ONE "\n", HAS_ONE },
	{ "magnet:?xtra=1&x&xt&=&xt=&xt=urn:btih:" ONE "\n", HAS_ONE }
};

/* Is it read as it should be with this cut? */
static bool reads_well(size_t which, size_t cut)
{
	char error[LIST_ERROR_MAX] = "";
	const char *text = good[which].text;
	struct list *list = load_some_cut(text, strlen(text), cut, error);
	bool well = list != NULL &&
	    list_has(list, one) == ((good[which].has & HAS_ONE) != 0) &&
	    list_has(list, two) == ((good[which].has & HAS_TWO) != 0) &&
	    list_count(list) == (good[which].has + 1) / 2;

	if (!well)
		printf("%s: cut %zu: %s\n", text, cut, error);
	list_free(list);
	return well;
}

static void good_texts(void)
{
	size_t i, cut;

	for (i = 0; i < COUNT(good); i++) {
		for (cut = 0; cut < CUTS(strlen(good[i].text)); cut++)
			CHECK(reads_well(i, cut));
	}
	CHECK(calls.reserved == 0);
}

#define NEITHER "neither 40 hexadecimal digits nor a magnet link"
#define NO_HASH "a magnet link without xt=urn:btih:"
#define ONLY_V2 \
	"a magnet link of BitTorrent v2 alone (urn:btmh:), which has no info_hash of 20 bytes"
#define BAD_HASH "after urn:btih: there must be 40 hexadecimal digits or 32 of base32"
#define V2 "xt=urn:btmh:1220" ONE "012345678901234567890123"

static const struct {
	const char *text, *error;
} wrong[] = {
	{ "x", "line 1: " NEITHER },
	{ "0123456789abcdef0123456789abcdef0123456", "line 1: " NEITHER },
	{ ONE "8\n", "line 1: " NEITHER },
	{ "0123456789abcdefg123456789abcdef01234567\n", "line 1: " NEITHER },
	{ "0123456789abcdef0123456789abcdef0123456/\n", "line 1: " NEITHER },
	{ "0123456789abcdef0123456789abcdef0123456:\n", "line 1: " NEITHER },
	{ "0123456789abcdef0123456789abcdef0123456@\n", "line 1: " NEITHER },
	{ "`123456789abcdef0123456789abcdef01234567\n", "line 1: " NEITHER },
	{ ONE "\n\n#\r\n" ONE ONE "\n" ONE "\n", "line 4: " NEITHER },
	{ ONE "#one", "line 1: " NEITHER },
	{ ONE " " TWO "\n", "line 1: " NEITHER },
	{ ONE "\r" TWO "\n", "line 1: " NEITHER },
	{ ONE "\nx\ny\n", "line 2: " NEITHER },
	{ ONE_BASE32 "\n", "line 1: " NEITHER },
	{ "urn:btih:" ONE "\n", "line 1: " NEITHER },
	{ "0x" ONE "\n", "line 1: " NEITHER },
	{ ONE "\v\n", "line 1: " NEITHER },
	{ "\xef\xbb\n", "line 1: " NEITHER },
	{ " \xef\xbb\xbf" ONE "\n", "line 1: " NEITHER },
	{ "\xef\xbb\xbf\xef\xbb\xbf" ONE "\n", "line 1: " NEITHER },
	{ ONE "\n\xef\xbb\xbf" ONE "\n", "line 2: " NEITHER },
	{ "\xff\xfe" "0\n", "line 1: " NEITHER },
	{ "magnet:\n", "line 1: " NEITHER },
	{ "magnet:xt=urn:btih:" ONE "\n", "line 1: " NEITHER },
	{ "\n\nmagnet:?\n", "line 3: " NO_HASH },
	{ "magnet:?dn=" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?xt=urn:sha1:" ONE_BASE32 "\n", "line 1: " NO_HASH },
	{ "magnet:?xt=" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?amp;xt=urn:btih:" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?dn=My #1&xt=urn:btih:" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?xtra=urn:btih:" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?x=urn:btih:" ONE "\n", "line 1: " NO_HASH },
	{ "magnet:?" V2 "\n", "line 1: " ONLY_V2 },
	{ "magnet:?dn=x&" V2 "&xt=urn:sha1:" ONE_BASE32 "\n", "line 1: " ONLY_V2 },
	{ "magnet:?xt=urn:btih:\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:" ONE "0\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:" ONE ONE ONE "\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:" ONE " &dn=x\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef0123456g", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL1\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRL8\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:[ERUKZ4JVPG66AJDIVTYTK6N54ASGRLH\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLHA\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:" ONE "&xt.2=urn:btih:x\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:%3g123456789abcdef0123456789abcdef01234567\n", "line 1: " BAD_HASH },
	{ "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234%3\n", "line 1: " BAD_HASH }
};

static bool fails_well(size_t which, size_t cut)
{
	char error[LIST_ERROR_MAX] = "";
	const char *text = wrong[which].text;
	struct list *list = load_some_cut(text, strlen(text), cut, error);
	bool well = list == NULL && strcmp(error, wrong[which].error) == 0;

	if (!well)
		printf("%s: cut %zu: %s\n", text, cut, error);
	list_free(list);
	return well;
}

static void wrong_texts(void)
{
	size_t i, cut;

	for (i = 0; i < COUNT(wrong); i++) {
		for (cut = 0; cut < CUTS(strlen(wrong[i].text)); cut++)
			CHECK(fails_well(i, cut));
	}
	CHECK(calls.reserved == 0);
}

/* A NUL is no blank and ends nothing. */
static void zero_bytes(void)
{
	static const char after[] = ONE "\0", between[] = ONE "\n\0\n", comment[] = "#\0\n" ONE;
	char error[LIST_ERROR_MAX];
	struct list *list;

	CHECK(load_cut(after, sizeof after - 1, 1, 100, error) == NULL);
	CHECK(strcmp(error, "line 1: " NEITHER) == 0);
	CHECK(load_cut(between, sizeof between - 1, 1, 100, error) == NULL);
	CHECK(strcmp(error, "line 2: " NEITHER) == 0);
	list = load_cut(comment, sizeof comment - 1, 1, 100, error);
	CHECK(list != NULL && list_has(list, one));
	list_free(list);
}

/* A line of so many bytes, of which the last ones are blanks, a comment or parameters. */
static char *long_line(const char *start, char filler, size_t length, const char *after)
{
	char *text = malloc(length + strlen(after) + 1);

	memset(text, filler, length);
	memcpy(text, start, strlen(start));
	strcpy(text + length, after);
	return text;
}

static void long_lines(void)
{
	static const struct {
		const char *start;
		char filler;
	} lines[] = {
		{ ONE " ", ' ' }, { ONE " #", 'x' }, { "magnet:?xt=urn:btih:" ONE "&dn=", 'x' },
		{ "magnet:?xt=urn:btih:" ONE "&dn=", '&' }, { ONE, '\r' }
	};
	static const char *const ends[] = { "", "\n", ("\n" TWO), "\r\n" };
	static const size_t cuts[] = { 0, 1, 40, 4096, 8190, 8191, 8192, 8193, 8194, 9000 };
	char error[LIST_ERROR_MAX];
	size_t i, j, cut, length;

	for (i = 0; i < COUNT(lines) * COUNT(ends); i++) {
		for (j = 0; j < COUNT(cuts) * 4; j++) {
			size_t extra = j % 4, carriage = i / COUNT(lines) == 3;
			size_t whole = LIST_LINE_MAX - 1 - carriage + extra;
			char *text = long_line(lines[i % COUNT(lines)].start,
			    lines[i % COUNT(lines)].filler, whole, ends[i / COUNT(lines)]);
			struct list *list;

			length = strlen(text);
			cut = cuts[j / 4];
			list = load_cut(text, length, cut, cut == 0 ? 1 : 4096, error);
			CHECK((list != NULL) == (whole + carriage <= LIST_LINE_MAX));
			CHECK(list != NULL || strcmp(error, "line 1: longer than 8192 bytes") == 0);
			CHECK(list == NULL || list_has(list, one));
			list_free(list);
			free(text);
		}
	}
}

/* What was wrong before a line that is too long is told. */
static void first_error(void)
{
	char error[LIST_ERROR_MAX], *text = long_line("\n\nx\n", 'y', 20000, "\n");
	size_t cut;

	for (cut = 1; cut < 20000; cut += 517) {
		CHECK(load_cut(text, strlen(text), cut, cut, error) == NULL);
		CHECK(strcmp(error, "line 3: " NEITHER) == 0);
	}
	text[2] = ' ';
	for (cut = 1; cut < 20000; cut += 517) {
		CHECK(load_cut(text, strlen(text), cut, cut, error) == NULL);
		CHECK(strcmp(error, "line 4: longer than 8192 bytes") == 0);
	}
	free(text);
}

/* -- a naive set ------------------------------------------------------------------------- */

/* The next word of SplitMix64. */
static uint32_t word(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

/* The nth info_hash of many. */
static void hash_of(uint32_t number, uint8_t info_hash[static LIST_HASH_SIZE])
{
	uint64_t state = number;
	unsigned i;

	for (i = 0; i < LIST_HASH_SIZE; i += 4) {
		uint32_t bits = word(&state);

		memcpy(info_hash + i, &bits, 4);
	}
}

static char *put_hex(char *text, const uint8_t *info_hash, const char *digits)
{
	unsigned i;

	for (i = 0; i < LIST_HASH_SIZE; i++) {
		*text++ = digits[info_hash[i] >> 4];
		*text++ = digits[info_hash[i] & 15];
	}
	return text;
}

/* Bit by bit. */
static char *put_base32(char *text, const uint8_t *info_hash, const char *digits)
{
	unsigned bit, value = 0;

	for (bit = 0; bit < LIST_HASH_SIZE * 8; bit++) {
		value = value << 1 | (info_hash[bit / 8] >> (7 - bit % 8) & 1);
		if (bit % 5 == 4) {
			*text++ = digits[value];
			value = 0;
		}
	}
	return text;
}

static char *put(char *text, const char *what)
{
	size_t length = strlen(what);

	memcpy(text, what, length);
	return text + length;
}

static char *put_line(char *text, const uint8_t *info_hash, unsigned form)
{
	switch (form % 6) {
	case 0: text = put(text, "# a comment\n\n"); break;
	case 1: text = put(text, "magnet:?dn=x&xt=urn:btih:"); break;
	case 2: text = put(text, " \t"); break;
	default: break;
	}
	if (form % 6 != 1)
		text = put_hex(text, info_hash, form % 2 ? "0123456789abcdef" : "0123456789ABCDEF");
	else
		text = put_base32(text, info_hash, form % 12 == 1 ?
		    "abcdefghijklmnopqrstuvwxyz234567" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
	return put(text, form % 6 == 5 ? " # so\r\n" : form % 6 == 4 ? "\r\n" : "\n");
}

#define HASHES 3000u

/* Does the list have these of HASHES, and none that differs in a bit? */
static void compare(const struct list *list, const bool *there)
{
	uint8_t info_hash[LIST_HASH_SIZE];
	uint32_t i, count = 0, missing = 0, more = 0;

	for (i = 0; i < HASHES; i++) {
		hash_of(i, info_hash);
		missing += list_has(list, info_hash) != there[i];
		info_hash[i % 20] ^= (uint8_t)(1 << i / 20 % 8);
		more += list_has(list, info_hash);
		count += there[i];
	}
	CHECK(missing == 0 && more == 0 && list_count(list) == count);
}

static void model(void)
{
	char error[LIST_ERROR_MAX], *text = malloc(HASHES * 100), *end;
	bool there[HASHES];
	unsigned round, i;

	for (round = 0; round < 40; round++) {
		uint64_t random = round;
		struct list *list;

		memset(there, 0, sizeof there);
		for (end = text, i = 0; i < HASHES * round / 40; i++) {
			uint32_t which = word(&random) % HASHES;
			uint8_t info_hash[LIST_HASH_SIZE];

			hash_of(which, info_hash);
			there[which] = true;
			end = put_line(end, info_hash, word(&random));
		}
		list = load_cut(text, (size_t)(end - text), 0, round * 97 % 5000 + 1, error);
		CHECK(list != NULL);
		if (list != NULL)
			compare(list, there);
		list_free(list);
	}
	free(text);
}

/* -- files ------------------------------------------------------------------------------ */

/* An open file without a name. */
static int file_of(const char *text, size_t length)
{
	char path[] = "/tmp/test_list-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && unlink(path) == 0);
	CHECK(write(fd, text, length) == (ssize_t)length);
	return fd;
}

static struct list *load_file(int fd, char error[static LIST_ERROR_MAX])
{
	struct list_loader *loader = list_loader_new(fd, error);
	enum list_state state = LIST_MORE;
	struct list *list = NULL;

	if (loader == NULL)
		return NULL;
	while (state == LIST_MORE)
		state = list_loader_step(loader, error);
	if (state == LIST_DONE)
		list = list_loader_take(loader);
	list_loader_free(loader);
	return list;
}

/* Is it refused with this error, and the descriptor closed? */
static bool refused(int fd, const char *why)
{
	char error[LIST_ERROR_MAX] = "";
	struct list *list = load_file(fd, error);
	bool same = strcmp(error, why) == 0;

	if (!same)
		printf("%s, not %s\n", error, why);
	list_free(list);
	return list == NULL && same && fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

static void files(void)
{
	static const char text[] = "# two\n" ONE "\n" TWO;
	char error[LIST_ERROR_MAX];
	int fd = file_of(text, sizeof text - 1);
	struct list *list;

	list = load_file(fd, error);
	CHECK(list != NULL && list_count(list) == 2 && list_has(list, one) && list_has(list, two));
	CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	list_free(list);
	list = load_file(file_of("", 0), error);
	CHECK(list != NULL && list_count(list) == 0 && !list_has(list, one));
	list_free(list);
	CHECK(refused(file_of("\n\n?", 3), "line 3: " NEITHER));
	CHECK(calls.reserved == 0);
}

/* As a file is read: with short reads, with signals, with a disk that fails. */
static void reads(void)
{
	static const char text[] =
	    "\xef\xbb\xbf" ONE "\r\nmagnet:?xt=urn:btih:" TWO_BASE32 " # two";
	char error[LIST_ERROR_MAX];
	struct list *list;

	for (calls.read_most = 1; calls.read_most < sizeof text; calls.read_most++) {
		calls.read_fault = calls.read_most % 2 ? EINTR : 0;
		list = load_file(file_of(text, sizeof text - 1), error);
		CHECK(list != NULL && list_has(list, one) && list_has(list, two));
		list_free(list);
	}
	calls.read_most = 10;
	calls.read_fault = EIO;
	calls.reads = 0;
	CHECK(refused(file_of(text, sizeof text - 1), strerror(EIO)));
	calls.read_most = 0;
	calls.read_fault = 0;
}

static void no_files(void)
{
	int ends[2];

	CHECK(pipe(ends) == 0);
	CHECK(refused(ends[0], "not a regular file"));
	close(ends[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(refused(ends[0], "not a regular file"));
	close(ends[1]);
	CHECK(refused(open("/dev/zero", O_RDONLY), "it was changed while it was read"));
	CHECK(open("/tmp/there/is/no/such/file", O_RDONLY) == -1);
	CHECK(refused(-1, strerror(ENOENT)));
	CHECK(calls.reserved == 0);
}

/* A folder may have any size, but cannot be read. */
static void folder(void)
{
	char error[LIST_ERROR_MAX] = "";

	CHECK(load_file(open("/", O_RDONLY), error) == NULL && *error != '\0');
	CHECK(load_file(open("/tmp", O_RDONLY), error) == NULL && *error != '\0');
	CHECK(calls.reserved == 0);
}

/* Change a file before one of the steps of its loading. */
static bool changes(off_t size, unsigned before, const char *why)
{
	char error[LIST_ERROR_MAX] = "", *text = malloc(41 * 4000);
	struct list_loader *loader;
	enum list_state state = LIST_MORE;
	unsigned i;
	int fd;

	for (i = 0; i < 4000; i++)
		memcpy(text + (size_t)41 * i, ONE "\n", 41);
	fd = file_of(text, 41 * 4000);
	loader = list_loader_new(fd, error);
	for (i = 0; state == LIST_MORE; i++) {
		if (i == before)
			CHECK(ftruncate(fd, size) == 0);
		state = list_loader_step(loader, error);
	}
	CHECK(i > before);
	list_loader_free(loader);
	free(text);
	if (why != NULL && strcmp(error, why) != 0)
		printf("%s\n", error);
	return why == NULL ? state == LIST_DONE : state == LIST_FAILED && strcmp(error, why) == 0;
}

static void changed_files(void)
{
	static const char why[] = "it was changed while it was read";
	const off_t size = 41 * 4000;

	calls.read_most = 16384;
	CHECK(changes(size, 0, NULL));
	CHECK(changes(0, 0, why));
	CHECK(changes(0, 1, why));
	CHECK(changes(41, 1, why));
	CHECK(changes(41 * 3999, 3, why));
	CHECK(changes(size - 1, 0, why));
	CHECK(changes(size + 1, 0, why));
	CHECK(changes(size + 1, 5, why));
	CHECK(changes((off_t)1 << 30, 2, why));
	calls.read_most = 0;
	CHECK(calls.reserved == 0);
}

/* -- what the system refuses ---------------------------------------------------------------- */

static void no_memory(void)
{
	int fd, nth;

	for (nth = 1; nth <= 2; nth++) {
		calls.reserve_fails = nth;
		fd = file_of(ONE, 40);
		CHECK(refused(fd, strerror(ENOMEM)));
		CHECK(calls.reserve_fails == 0 && calls.reserved == 0);
	}
	calls.entropy_fails = true;
	CHECK(refused(file_of(ONE, 40), strerror(ENOSYS)));
	calls.entropy_fails = false;
	CHECK(calls.reserved == 0);
}

/* Each list has a secret of its own. */
static void secrets(void)
{
	char error[LIST_ERROR_MAX];

	calls.secrets = 0;
	list_free(load(ONE, error));
	CHECK(calls.secrets == 16);
	list_free(load(ONE, error));
	CHECK(calls.secrets == 32);
}

/* Sizes that no text has: address space is either there or not. */
static void large_sizes(void)
{
	static const uint64_t sizes[] = { UINT64_MAX, INT64_MAX, UINT32_MAX, (uint64_t)1 << 40 };
	char error[LIST_ERROR_MAX];
	size_t i;

	for (i = 0; i < COUNT(sizes); i++) {
		struct list_loader *loader;

		*error = '\0';
		loader = list_loader_new_text(sizes[i], error);
		CHECK(loader != NULL || strcmp(error, strerror(ENOMEM)) == 0);
		if (loader == NULL)
			continue;
		CHECK(list_loader_add(loader, ONE "\n", 41, error) == LIST_MORE);
		CHECK(list_loader_end(loader, error) == LIST_FAILED);
		list_loader_free(loader);
	}
	CHECK(calls.reserved == 0);
}

/* More bytes than were said. */
static void too_many_bytes(void)
{
	char error[LIST_ERROR_MAX];
	struct list_loader *loader = list_loader_new_text(41, error);

	CHECK(list_loader_add(loader, ONE, 40, error) == LIST_MORE);
	CHECK(list_loader_add(loader, "\n\n", 2, error) == LIST_FAILED);
	CHECK(strcmp(error, "it was changed while it was read") == 0);
	list_loader_free(loader);
	list_loader_free(NULL);
	list_free(NULL);
	CHECK(list_free_part(NULL));
	CHECK(calls.reserved == 0);
}

/* -- a million -------------------------------------------------------------------------- */

static double time_now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A text with so many lines of a form. */
static char *text_of(uint32_t lines, bool magnets, size_t *length)
{
	char *text = malloc((size_t)lines * 300), *end = text;
	uint8_t info_hash[LIST_HASH_SIZE];
	uint32_t i;

	for (i = 0; i < lines; i++) {
		hash_of(i, info_hash);
		if (magnets)
			end = put(end, "magnet:?xt=urn:btih:");
		end = put_hex(end, info_hash, "0123456789abcdef");
		if (magnets)
			end = put(end, "&dn=A+name+of+a+file+in+a+torrent&tr="
			    "wss%3A%2F%2Ftracker.example.org&tr=udp%3A%2F%2Ftracker.example.net"
			    "%3A6969%2Fannounce&ws=https%3A%2F%2Fexample.org%2Ffiles%2F");
		end = put(end, "\n");
	}
	*length = (size_t)(end - text);
	return text;
}

static void check_all(const struct list *list, uint32_t count)
{
	uint8_t info_hash[LIST_HASH_SIZE];
	uint32_t i, missing = 0, more = 0;

	for (i = 0; i < count; i++) {
		hash_of(i, info_hash);
		missing += !list_has(list, info_hash);
		hash_of(count + i, info_hash);
		more += list_has(list, info_hash);
	}
	CHECK(list_count(list) == count && missing == 0 && more == 0);
}

/* Given back a little at a time. */
static void check_freeing(struct list *list)
{
	size_t most = resident_now() / (1 << 20), parts = 1;

	calls.most = 0;
	while (!list_free_part(list))
		parts++;
	CHECK(calls.most <= 1 << 20);
	CHECK(parts >= most && parts <= most + 4);
	CHECK(calls.reserved == 0);
}

/* Add a text a slice at a time. */
static void add_slices(struct list_loader *loader, const char *text, size_t length)
{
	char error[LIST_ERROR_MAX];
	size_t at, size;

	for (at = 0; at < length; at += size) {
		size = length - at < LIST_SLICE ? length - at : LIST_SLICE;
		CHECK(list_loader_add(loader, text + at, size, error) == LIST_MORE);
	}
}

/* End a text of so many lines. Returns the memory that it took, as the system has it. There are no
 * more steps than it takes, and none takes many new pages, each of which costs microseconds. */
static size_t end_steps(struct list_loader *loader, uint32_t lines)
{
	char error[LIST_ERROR_MAX];
	enum list_state state = LIST_MORE;
	size_t before, now = resident_now(), most = 0;
	unsigned steps;

	for (steps = 0; state == LIST_MORE; steps++) {
		before = now;
		state = list_loader_end(loader, error);
		now = resident_now();
		if (now > before && now - before > most)
			most = now - before;
	}
	CHECK(state == LIST_DONE);
	CHECK(most <= 1 << 19);
	CHECK(steps <= lines / 1900 + 6);
	return now;
}

/* 32 bytes each, whatever the lines are like. A second is the time for a million; here machines may
 * be emulated. */
static void check_large(uint32_t lines, bool magnets)
{
	char error[LIST_ERROR_MAX];
	size_t length, memory, pages = 2 * guard_pages(0);
	char *text = text_of(lines, magnets, &length);
	double start = time_now(CLOCK_PROCESS_CPUTIME_ID);
	struct list_loader *loader = list_loader_new_text(length, error);
	struct list *list;

	add_slices(loader, text, length);
	memory = end_steps(loader, lines);
	CHECK(time_now(CLOCK_PROCESS_CPUTIME_ID) - start < 10);
	list = list_loader_take(loader);
	list_loader_free(loader);
	free(text);
	CHECK(memory >= (size_t)lines * 28 && memory <= (size_t)lines * 32 + pages);
	CHECK(list_memory(list) <= memory + pages && memory <= list_memory(list) + pages);
	CHECK(calls.reserved < memory + (3 << 20));
	check_all(list, lines);
	check_freeing(list);
}

static void million(void)
{
	check_large(MILLION, false);
}

static void magnets(void)
{
	check_large(MILLION / 10, true);
	check_large(100, true);
	check_large(1, false);
}

/* Lines that are there already take no memory in the end, and no step takes long. */
static void repeated(void)
{
	char error[LIST_ERROR_MAX], *text;
	struct list_loader *loader;
	struct list *list;
	size_t length, i;

	text = text_of(MILLION / 2, false, &length);
	for (i = 1000; i < MILLION / 2; i++)
		memcpy(text + i * 41, text + i % 1000 * 41, 41);
	loader = list_loader_new_text(length, error);
	add_slices(loader, text, length);
	calls.most = 0;
	CHECK(end_steps(loader, MILLION / 2) < (MILLION / 2 + 1000) * sizeof(uint32_t) + (1 << 20));
	CHECK(calls.most > 0 && calls.most <= 1 << 20);
	list = list_loader_take(loader);
	check_all(list, 1000);
	check_freeing(list);
	list_loader_free(loader);
	free(text);
}

/* One that failed can be given back in parts too. */
static void failed_parts(void)
{
	char error[LIST_ERROR_MAX], *text;
	struct list_loader *loader;
	size_t length;

	text = text_of(MILLION / 4, false, &length);
	loader = list_loader_new_text(length, error);
	add_slices(loader, text, length - 1000);
	CHECK(list_loader_end(loader, error) == LIST_FAILED);
	check_freeing(list_loader_take(loader));
	list_loader_free(loader);
	free(text);
}

/* -- a list that is full ------------------------------------------------------------------ */

/* For builds whose lists are small. */
static void full(void)
{
	char error[LIST_ERROR_MAX], *text;
	struct list *list;
	size_t length;

	text = text_of(LIST_MAX + 1, false, &length);
	CHECK(load_cut(text, length, 0, 1000, error) == NULL);
	CHECK(strcmp(error, "line 101: there are more info_hashes than a list can have") == 0);
	list = load_cut(text, length - 41, 0, 1000, error);
	CHECK(list != NULL);
	if (list != NULL)
		check_all(list, LIST_MAX);
	list_free(list);
	free(text);
	CHECK(calls.reserved == 0);
}

/* -- how fast it is: in time of the processor, as a machine may do other things too ------------ */

struct measure {
	double whole, longest;  /* s */
};

static void measure_step(struct measure *measure, double start)
{
	double took = time_now(CLOCK_PROCESS_CPUTIME_ID) - start;

	measure->whole += took;
	if (took > measure->longest)
		measure->longest = took;
}

static void print_measure(const char *what, const struct measure *measure, uint32_t lines)
{
	printf("%-24s%.3f s, %.1f million lines a second, longest step %.0f us\n", what,
	    measure->whole, lines / measure->whole / 1e6, measure->longest * 1e6);
}

static struct list *speed_load(int fd, uint32_t lines)
{
	char error[LIST_ERROR_MAX];
	struct measure measure = { 0, 0 };
	enum list_state state = LIST_MORE;
	double start = time_now(CLOCK_PROCESS_CPUTIME_ID);
	struct list_loader *loader = list_loader_new(fd, error);
	struct list *list;

	measure_step(&measure, start);
	while (state == LIST_MORE) {
		start = time_now(CLOCK_PROCESS_CPUTIME_ID);
		state = list_loader_step(loader, error);
		measure_step(&measure, start);
	}
	list = list_loader_take(loader);
	list_loader_free(loader);
	print_measure("load", &measure, lines);
	return list;
}

static void speed_lookup(const struct list *list, const char *what, uint32_t from, uint32_t count)
{
	uint8_t (*keys)[LIST_HASH_SIZE] = malloc((size_t)count * sizeof *keys);
	uint64_t random = 1;
	uint32_t i, found = 0;
	double start;

	for (i = 0; i < count; i++)
		hash_of(from + word(&random) % count, keys[i]);
	start = time_now(CLOCK_PROCESS_CPUTIME_ID);
	for (i = 0; i < count; i++)
		found += list_has(list, keys[i]);
	printf("%-24s%.0f ns (%u of %u found)\n", what,
	    (time_now(CLOCK_PROCESS_CPUTIME_ID) - start) / count * 1e9, found, count);
	free(keys);
}

static void speed_free(struct list *list)
{
	struct measure measure = { 0, 0 };
	bool done = false;
	double start;

	while (!done) {
		start = time_now(CLOCK_PROCESS_CPUTIME_ID);
		done = list_free_part(list);
		measure_step(&measure, start);
	}
	printf("%-24s%.3f s, longest part %.0f us\n", "free", measure.whole, measure.longest * 1e6);
}

static void speed(uint32_t lines, bool are_magnets)
{
	size_t length;
	char *text = text_of(lines, are_magnets, &length);
	int fd = file_of(text, length);
	struct list *list;

	printf("%u %s, %zu bytes\n", lines, are_magnets ? "magnet links" : "lines of 40 digits",
	    length);
	free(text);
	list = speed_load(fd, lines);
	printf("%-24s%.2f bytes each\n", "memory", (double)list_memory(list) / lines);
	speed_lookup(list, "lookup, there", 0, lines);
	speed_lookup(list, "lookup, not there", lines, lines);
	speed_free(list);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "speed") == 0) {
		calls.unwatched = true;
		speed(1000, false);
		speed(MILLION, false);
		speed(MILLION, true);
		speed(10 * MILLION, false);
		return 0;
	}
	if (LIST_MAX < MILLION) {
		RUN(full);
		return test_end();
	}
	RUN(good_texts);
	RUN(wrong_texts);
	RUN(zero_bytes);
	RUN(long_lines);
	RUN(first_error);
	RUN(model);
	RUN(files);
	RUN(reads);
	RUN(no_files);
	RUN(folder);
	RUN(changed_files);
	RUN(no_memory);
	RUN(secrets);
	RUN(large_sizes);
	RUN(too_many_bytes);
	RUN(million);
	RUN(magnets);
	RUN(repeated);
	RUN(failed_parts);
	return test_end();
}
