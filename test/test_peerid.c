/*
 * test_peerid.c - client names: ids as clients send them, and ids as nobody should.
 */
#include "test.h"
#include "../peerid.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NAMES_MAX 1024

/* The id ends where memory does, so that reading past it is a crash. */
static uint8_t *edge_id;

static void edge_prepare(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) != 0) {
		perror("mmap");
		exit(1);
	}
	edge_id = (uint8_t *)memory + page - PEERID_SIZE;
}

static struct peerid_client client_of(const void *id)
{
	struct peerid_client client;

	memset(&client, 0x5a, sizeof(client));
	memcpy(edge_id, id, PEERID_SIZE);
	peerid_client(edge_id, &client);
	return client;
}

static bool text_printable(const char *text)
{
	for (; *text != 0; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* What the header promises of every result, whatever the id. */
static bool client_sound(const struct peerid_client *client)
{
	const char *end = memchr(client->version, 0, sizeof(client->version));

	if (client->name >= peerid_names() || end == NULL || !text_printable(client->version))
		return false;
	for (; end < client->version + sizeof(client->version); end++)
		if (*end != 0)
			return false;
	return true;
}

/* The first 8 printable characters, and those only. */
static bool version_is_start(const char *version, const uint8_t *id)
{
	char expected[9] = "";
	size_t length = 0;

	for (size_t i = 0; i < PEERID_SIZE; i++)
		if (id[i] > 31 && id[i] < 127 && length < 8)
			expected[length++] = (char)id[i];
	return strcmp(version, expected) == 0;
}

static bool client_is(const void *id, const char *name, const char *version)
{
	struct peerid_client client = client_of(id);

	if (client_sound(&client) && strcmp(peerid_name(client.name), name) == 0 &&
	    strcmp(client.version, version) == 0)
		return true;
	printf("%.20s: %s %.16s\n", (const char *)id, peerid_name(client.name), client.version);
	return false;
}

static void real_ids(void)
{
	static const struct {
		const char *id, *name, *version;
	} cases[] = {
		/* WebRTC */
		{ "-WW0102-abcdefghijkl", "WebTorrent", "1.2" },
		{ "-WW0091-Yt5bXpDNlq3A", "WebTorrent", "0.91" },
		{ "-WW0100-abcdefghijkl", "WebTorrent", "1.0" },
		{ "-WW0201-R0lMQkxjWFpx", "WebTorrent", "2.1" },
		{ "-WW0007-ax8z3dD01lkM", "WebTorrent", "0.7" },
		{ "-WW1234-abcdefghijkl", "WebTorrent", "12.34" },
		{ "-WW1001-abcdefghijkl", "WebTorrent", "10.1" },
		{ "-WW0010-abcdefghijkl", "WebTorrent", "0.10" },
		{ "-WD0007-abcdefghijkl", "WebTorrent Desktop", "0.7" },
		{ "-WD0024-abcdefghijkl", "WebTorrent Desktop", "0.24" },
		{ "-PM0203-abcdefghijkl", "P2P Media Loader", "2.3" },
		{ "-GT0003-abcdefghijkl", "anacrolix/torrent", "0.0.0.3" },
		{ "-LT20B0-abcdefghijkl", "libtorrent (Rasterbar)", "2.0.11" },
		{ "-LT2110-abcdefghijkl", "libtorrent (Rasterbar)", "2.1.1" },
		{ "-BI3900-abcdefghijkl", "BiglyBT", "3.9.0.0" },
		/* Azureus style */
		{ "-AZ2200-6wfG2wk6wWLc", "Vuze", "2.2.0.0" },
		{ "-AZ5770-abcdefghijkl", "Vuze", "5.7.7.0" },
		{ "-qB4250-abcdefghijkl", "qBittorrent", "4.2.5" },
		{ "-qB31C0-abcdefghijkl", "qBittorrent", "3.1.12" },
		{ "-DE13F0-abcdefghijkl", "Deluge", "1.3.15" },
		{ "-DE211s-abcdefghijkl", "Deluge", "2.1.1" },
		{ "-lt0D80-abcdefghijkl", "libTorrent (Rakshasa)", "0.13.8" },
		{ "-UT3550-abcdefghijkl", "uTorrent", "3.5.5" },
		{ "-UT355S-abcdefghijkl", "uTorrent", "3.5.5" },
		{ "-UT220B-abcdefghijkl", "uTorrent", "2.2.0 Beta" },
		{ "-UM180A-abcdefghijkl", "uTorrent Mac", "1.8.0 Alpha" },
		{ "-UW131W-abcdefghijkl", "uTorrent Web", "1.3.1" },
		{ "-BT7a5W-abcdefghijkl", "BitTorrent", "7.a.5" },
		{ "-TR2940-abcdefghijkl", "Transmission", "2.94" },
		{ "-TR404Z-abcdefghijkl", "Transmission", "4.04+" },
		{ "-TR293X-abcdefghijkl", "Transmission", "2.93+" },
		{ "-TR0072-abcdefghijkl", "Transmission", "0.72" },
		{ "-TR0006-abcdefghijkl", "Transmission", "0.6" },
		{ "-BC0202-abcdefghijkl", "BitComet", "2.02" },
		{ "-KT5200-abcdefghijkl", "KTorrent", "5.2.0.0" },
		{ "-rQ0001-abcdefghijkl", "rqbit", "0.0.0.1" },
		{ "-BF2104-abcdefghijkl", "BitFlu", "" },
		{ "-7T1000-abcdefghijkl", "aTorrent", "1.0.0.0" },
		{ "-tT1000-abcdefghijkl", "tTorrent", "1.0.0.0" },
		/* three characters of prefix, four of version */
		{ "TIX0314-e9e8f3i0g3d0", "Tixati", "3.14" },
		{ "A2-1-36-0-abcdefghij", "aria2", "" },
		/* two codes of one client */
		{ "-A~2000-abcdefghijkl", "Ares", "2.0.0.0" },
		{ "-SD0100-abcdefghijkl", "Xunlei", "0.1.0.0" },
		{ "-XL0018-abcdefghijkl", "Xunlei", "0.0.1.8" },
		{ "-TL7000-abcdefghijkl", "Tribler", "7.0.0.0" },
		{ "R520----abcdefghijkl", "Tribler", "5.2.0" },
		/* Shadow */
		{ "T03I-----abcdefghijk", "BitTornado", "0.3.18" },
		{ "T03A0----abcdefghijk", "BitTornado", "0.3.10.0" },
		{ "S58B-----abcdefghijk", "Shad0w", "5.8.11" },
		{ "A3zz----abcdefghijkl", "ABC", "3.61.61" },
		{ "U------abcdefghijklm", "UPnP NAT", "" },
		{ "Q1----abcdefghijklmn", "BTQueue", "1" },
		{ "O0----abcdefghijklmn", "Osprey Permaseed", "0" },
		/* Mainline */
		{ "M4-3-6--abcdefghijkl", "Mainline", "4.3.6" },
		{ "M4-20-8-abcdefghijkl", "Mainline", "4.20.8" },
		{ "M7-10-5-abcdefghijkl", "Mainline", "7.10.5" },
		{ "Q1-0-0--abcdefghijkl", "Queen Bee", "1.0.0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(strlen(cases[i].id) == PEERID_SIZE);
		CHECK(client_is(cases[i].id, cases[i].name, cases[i].version));
	}
}

/* What looks like a style and is not, or is of nobody known. */
static void unknown_ids(void)
{
	static const struct {
		const char *id, *version;
	} cases[] = {
		{ "-ZZ1234-abcdefghijkl", "-ZZ1234-" },
		{ "-ww0102-abcdefghijkl", "-ww0102-" },
		{ "-WW0102abcdefghijklm", "-WW0102a" },
		{ "-WW0102_-bcdefghijkl", "-WW0102_" },
		{ "_WW0102-abcdefghijkl", "_WW0102-" },
		{ "WW0102--abcdefghijkl", "WW0102--" },
		{ "--------------------", "--------" },
		{ "                    ", "        " },
		{ "~~~~~~~~~~~~~~~~~~~~", "~~~~~~~~" },
		{ "<script>alert(1)</sc", "<script>" },
		{ "TIX0314aabcdefghijkl", "TIX0314a" },
		{ "T03456--abcdefghijkl", "T03456--" },
		{ "Ta3-----abcdefghijkl", "Ta3-----" },
		{ "T-3-----abcdefghijkl", "T-3-----" },
		{ "T0-3----abcdefghijkl", "T0-3----" },
		{ "T0.3----abcdefghijkl", "T0.3----" },
		{ "X123----abcdefghijkl", "X123----" },
		{ "X4-3-6--abcdefghijkl", "X4-3-6--" },
		{ "M4-3-6-abcdefghijklm", "M4-3-6-a" },
		{ "Ma-b-c--abcdefghijkl", "Ma-b-c--" },
		{ "M4-200-8abcdefghijkl", "M4-200-8" },
		{ "M4--3-6-abcdefghijkl", "M4--3-6-" },
		{ "M-------abcdefghijkl", "M-------" },
		{ "M\0\0\0\0\0\0-\0\0\0\0\0\0\0\0\0\0\0\0", "M-" },
		{ "A\0\0" "0000-\0\0\0\0\0\0\0\0\0\0\0\0", "A0000-" },
		{ "M-\0" "0000-\0\0\0\0\0\0\0\0\0\0\0\0", "M-0000-" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "" },
		{ "\0a\1b\37c\177d\200e\377f\n\r\tg\0h\0i", "abcdefgh" },
		{ "\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200\200z", "z" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(client_is(cases[i].id, "unknown", cases[i].version));
}

/* A known client whose four characters are no version has none. */
static void hostile_versions(void)
{
	static const char *const prefixes[] = { "-WW", "-UT", "-TR", "-qB", "-AZ", "-BC", "TIX" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		for (int at = 3; at < 7; at++)
			for (int byte = 0; byte < 256; byte++) {
				uint8_t id[] = "...0123-abcdefghijkl";
				bool digit = (byte >= '0' && byte <= '9') ||
				    (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
				struct peerid_client client;

				memcpy(id, prefixes[i], 3);
				id[at] = (uint8_t)byte;
				client = client_of(id);
				CHECK(client.name != PEERID_UNKNOWN);
				CHECK(client_sound(&client));
				CHECK((client.version[0] != 0) == digit);
			}
}

/* Every byte at every place, and every two neighbours hostile, in an id of every style. */
static void hostile_bytes(void)
{
	static const char *const shapes[] = {
		"-WW0102-abcdefghijkl", "-qBZZZZ-abcdefghijkl", "-UTzzzA-abcdefghijkl",
		"-TRZZZZ-abcdefghijkl", "-AZZZZZ-abcdefghijkl", "TIX0314-abcdefghijkl",
		"A2-1-36-0-abcdefghij", "M4-3-6--abcdefghijkl", "M4-20-8-abcdefghijkl",
		"T9zzz-abcdefghijklmn", "U------abcdefghijklm", "-ZZ1234-abcdefghijkl",
	};
	static const uint8_t hostile[] = { 0, 1, 10, 27, 31, '-', '<', 127, 128, 200, 255 };

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (int at = 0; at < PEERID_SIZE; at++)
			for (size_t byte = 0; byte < 256 * (sizeof(hostile) + 1); byte++) {
				uint8_t id[PEERID_SIZE];
				struct peerid_client client;

				memcpy(id, shapes[i], PEERID_SIZE);
				id[at] = (uint8_t)byte;
				if (byte >= 256)
					id[(at + 1) % PEERID_SIZE] = hostile[byte / 256 - 1];
				client = client_of(id);
				CHECK(client_sound(&client));
				CHECK(client.name != PEERID_UNKNOWN ||
				    version_is_start(client.version, id));
			}
}

static void random_bytes(void)
{
	uint64_t state = 1;

	for (int i = 0; i < 200000; i++) {
		uint8_t id[PEERID_SIZE];
		struct peerid_client client;

		for (int at = 0; at < PEERID_SIZE; at++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			id[at] = (uint8_t)(state >> 56);
		}
		if (i % 2 == 0)
			id[7] = '-';
		client = client_of(id);
		CHECK(client_sound(&client));
		CHECK(client.name != PEERID_UNKNOWN || version_is_start(client.version, id));
	}
}

/* All two-byte codes and all one-byte ones: every name in the table can be had. */
static void all_codes(void)
{
	static bool seen[NAMES_MAX];
	static const char *const others[] = {
		"?1234-----abcdefghij", "?4-3-6--abcdefghijkl", "TIX0314-abcdefghijkl",
		"A2-1-36-0-abcdefghij",
	};
	int known = 0, names = 0;

	CHECK(peerid_names() <= NAMES_MAX);
	for (unsigned code = 0; code < 65536; code++) {
		uint8_t id[] = "-??1234-abcdefghijkl";
		struct peerid_client client;

		id[1] = (uint8_t)(code >> 8);
		id[2] = (uint8_t)code;
		client = client_of(id);
		CHECK(client_sound(&client));
		CHECK(client.name != PEERID_UNKNOWN || version_is_start(client.version, id));
		seen[client.name % NAMES_MAX] = true;
		known += client.name != PEERID_UNKNOWN;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		for (unsigned code = 0; code < 256; code++) {
			uint8_t id[PEERID_SIZE];
			struct peerid_client client;

			memcpy(id, others[i], PEERID_SIZE);
			if (id[0] == '?')
				id[0] = (uint8_t)code;
			client = client_of(id);
			CHECK(client_sound(&client));
			seen[client.name % NAMES_MAX] = true;
		}
	for (int name = 0; name < NAMES_MAX; name++)
		names += seen[name];
	CHECK(known > 100 && known < 200);
	CHECK(names == peerid_names());
}

static void names(void)
{
	CHECK(peerid_names() > 1);
	CHECK(strcmp(peerid_name(PEERID_UNKNOWN), "unknown") == 0);
	for (uint16_t i = 0; i < peerid_names(); i++) {
		CHECK(peerid_name(i)[0] != 0);
		CHECK(text_printable(peerid_name(i)));
		for (uint16_t j = 0; j < i; j++)
			CHECK(strcmp(peerid_name(i), peerid_name(j)) != 0);
	}
	CHECK(strcmp(peerid_name(peerid_names()), "unknown") == 0);
	CHECK(strcmp(peerid_name(UINT16_MAX), "unknown") == 0);
}

int main(void)
{
	edge_prepare();
	RUN(real_ids);
	RUN(unknown_ids);
	RUN(hostile_versions);
	RUN(hostile_bytes);
	RUN(random_bytes);
	RUN(all_codes);
	RUN(names);
	return test_end();
}
