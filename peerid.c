/*
 * peerid.c - which client a peer_id names.
 */
#include "peerid.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How a client writes its version into four characters. */
enum layout {
	NONE,              /* not at all, or in a way of its own */
	FOUR,              /* 1234 is 1.2.3.4 */
	THREE,             /* 12B0 is 1.2.11 */
	PAIRS,             /* 0102 is 1.2 */
	HUNDREDTHS,        /* 0123 is 1.23 */
	TAGGED,            /* 123B is 1.2.3 Beta */
	TRANSMISSION,      /* 1230 is 1.23, 123Z is 1.23+, 0012 is 0.12, 0001 is 0.1 */
};

struct known {
	char prefix[4];    /* 3 bytes: Azureus; 2: Mainline; 1: Shadow; the rest is 0 */
	uint8_t layout;
	char name[27];     /* in place: no pointer to relocate, so the table stays read-only */
};

/* Sorted by prefix as strcmp does it. A row's index + 1 is the name's number. */
static const struct known known[] = {
	{ "-7T", FOUR, "aTorrent" },
	{ "-AR", FOUR, "Ares" },
	{ "-AT", FOUR, "Artemis" },
	{ "-AV", FOUR, "Avicora" },
	{ "-AX", HUNDREDTHS, "BitPump" },
	{ "-AZ", FOUR, "Vuze" },
	{ "-BB", FOUR, "BitBuddy" },
	{ "-BC", HUNDREDTHS, "BitComet" },
	{ "-BE", FOUR, "BitTorrent SDK" },
	{ "-BF", NONE, "BitFlu" },
	{ "-BG", FOUR, "BTG" },
	{ "-BI", FOUR, "BiglyBT" },
	{ "-BL", FOUR, "BitLord" },
	{ "-BN", NONE, "Baidu Netdisk" },
	{ "-BR", FOUR, "BitRocket" },
	{ "-BS", FOUR, "BTSlave" },
	{ "-BT", TAGGED, "BitTorrent" },
	{ "-BW", FOUR, "BitWombat" },
	{ "-BX", FOUR, "BittorrentX" },
	{ "-CB", FOUR, "Shareaza Plus" },
	{ "-CD", HUNDREDTHS, "Enhanced CTorrent" },
	{ "-CT", FOUR, "CTorrent" },
	{ "-DE", THREE, "Deluge" },
	{ "-DP", FOUR, "Propagate Data Client" },
	{ "-EB", FOUR, "EBit" },
	{ "-ES", THREE, "Electric Sheep" },
	{ "-FC", FOUR, "FileCroc" },
	{ "-FD", THREE, "Free Download Manager" },
	{ "-FG", HUNDREDTHS, "FlashGet" },
	{ "-FL", FOUR, "Folx" },
	{ "-FT", FOUR, "FoxTorrent/RedSwoosh" },
	{ "-FW", THREE, "FrostWire" },
	{ "-FX", FOUR, "Freebox BitTorrent" },
	{ "-GP", FOUR, "Gopeed" },
	{ "-GR", FOUR, "GetRight" },
	{ "-GS", FOUR, "GSTorrent" },
	{ "-GT", FOUR, "anacrolix/torrent" },
	{ "-HL", THREE, "Halite" },
	{ "-HN", FOUR, "Hydranode" },
	{ "-JS", FOUR, "JSTorrent" },
	{ "-KG", FOUR, "KGet" },
	{ "-KT", FOUR, "KTorrent" },
	{ "-LC", FOUR, "LeechCraft" },
	{ "-LH", FOUR, "LH-ABC" },
	{ "-LK", THREE, "linkage" },
	{ "-LP", HUNDREDTHS, "Lphant" },
	{ "-LT", THREE, "libtorrent (Rasterbar)" },
	{ "-LW", NONE, "LimeWire" },
	{ "-MG", FOUR, "MediaGet" },
	{ "-MO", FOUR, "MonoTorrent" },
	{ "-MP", THREE, "MooPolice" },
	{ "-MR", FOUR, "Miro" },
	{ "-MT", FOUR, "MoonlightTorrent" },
	{ "-NE", THREE, "BT Next Evolution" },
	{ "-NX", FOUR, "Net Transport" },
	{ "-OS", FOUR, "OneSwarm" },
	{ "-OT", FOUR, "OmegaTorrent" },
	{ "-PC", FOUR, "CacheLogic" },
	{ "-PD", FOUR, "Pando" },
	{ "-PE", FOUR, "PeerProject" },
	{ "-PI", FOUR, "PicoTorrent" },
	{ "-PM", PAIRS, "P2P Media Loader" },
	{ "-PT", FOUR, "Popcorn Time" },
	{ "-QD", FOUR, "QQDownload" },
	{ "-RM", FOUR, "RUM Torrent" },
	{ "-RN", FOUR, "Rain" },
	{ "-RT", FOUR, "Retriever" },
	{ "-RZ", FOUR, "RezTorrent" },
	{ "-SB", FOUR, "SwiftBit" },
	{ "-SN", FOUR, "ShareNET" },
	{ "-SP", THREE, "BitSpirit" },
	{ "-SS", FOUR, "SwarmScope" },
	{ "-ST", FOUR, "SymTorrent" },
	{ "-SZ", FOUR, "Shareaza" },
	{ "-S~", FOUR, "Shareaza alpha/beta" },
	{ "-TB", FOUR, "Torch" },
	{ "-TG", FOUR, "Torrent GO" },
	{ "-TL", FOUR, "Tribler" },
	{ "-TN", FOUR, "Torrent.NET" },
	{ "-TR", TRANSMISSION, "Transmission" },
	{ "-TS", FOUR, "TorrentStorm" },
	{ "-TT", THREE, "TuoTu" },
	{ "-TX", FOUR, "Torrex" },
	{ "-UE", TAGGED, "uTorrent Embedded" },
	{ "-UL", FOUR, "uLeecher!" },
	{ "-UM", TAGGED, "uTorrent Mac" },
	{ "-UT", TAGGED, "uTorrent" },
	{ "-UW", TAGGED, "uTorrent Web" },
	{ "-VG", FOUR, "Vagaa" },
	{ "-WD", PAIRS, "WebTorrent Desktop" },
	{ "-WT", FOUR, "BitLet" },
	{ "-WW", PAIRS, "WebTorrent" },
	{ "-WY", FOUR, "FireTorrent" },
	{ "-XF", TRANSMISSION, "Xfplay" },
	{ "-XL", FOUR, "Xunlei" },
	{ "-XT", FOUR, "XanTorrent" },
	{ "-XX", FOUR, "XTorrent" },
	{ "-ZO", FOUR, "Zona" },
	{ "-ZT", FOUR, "ZipTorrent" },
	{ "-bk", FOUR, "BitKitten (libtorrent)" },
	{ "-lt", THREE, "libTorrent (Rakshasa)" },
	{ "-pX", FOUR, "pHoeniX" },
	{ "-qB", THREE, "qBittorrent" },
	{ "-rQ", FOUR, "rqbit" },
	{ "-st", FOUR, "SharkTorrent" },
	{ "-tT", FOUR, "tTorrent" },
	{ "A", NONE, "ABC" },
	{ "A2-", NONE, "aria2" },
	{ "M-", NONE, "Mainline" },
	{ "O", NONE, "Osprey Permaseed" },
	{ "Q", NONE, "BTQueue" },
	{ "Q-", NONE, "Queen Bee" },
	{ "S", NONE, "Shad0w" },
	{ "T", NONE, "BitTornado" },
	{ "TIX", HUNDREDTHS, "Tixati" },
	{ "U", NONE, "UPnP NAT" },
};

/* Further prefixes of clients above. */
static const char synonyms[][2][4] = {
	{ "-A~", "-AR" }, { "-AG", "-AR" }, { "-AN", "-AR" }, { "-SD", "-XL" },
	{ "-SG", "-GS" }, { "-XC", "-XX" }, { "R", "-TL" },
};

static int known_compare(const void *prefix, const void *row)
{
	return memcmp(prefix, ((const struct known *)row)->prefix, 3);
}

/* The number of the name that a prefix stands for; its second and third byte may be 0. */
static uint16_t known_find(uint8_t first, uint8_t second, uint8_t third)
{
	const char wanted[3] = { (char)first, (char)second, (char)third };
	const char *prefix = wanted;
	const struct known *row;

	for (size_t i = 0; i < COUNT(synonyms); i++)
		if (memcmp(wanted, synonyms[i][0], sizeof(wanted)) == 0)
			prefix = synonyms[i][1];
	row = bsearch(prefix, known, COUNT(known), sizeof(known[0]), known_compare);
	return row == NULL ? PEERID_UNKNOWN : (uint16_t)(row - known + 1);
}

/* 0-9, A-Z and a-z are 0 to 61; anything else is -1. */
static int digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

/* Writes 0 to 99 without a leading zero and returns where it ended. */
static char *number_write(char *out, int number)
{
	if (number >= 10)
		*out++ = (char)('0' + number / 10);
	*out++ = (char)('0' + number % 10);
	return out;
}

/*
 * What a version looks like: w, x, y and z stand for the four characters; W, X and Y for
 * the first three with A to Z as 10 to 35; the rest stands for itself.
 */
static const char *version_pattern(uint8_t layout, const uint8_t v[static 4])
{
	switch (layout) {
	case FOUR:
		return "w.x.y.z";
	case THREE:
		return "W.X.Y";
	case PAIRS:
		if (v[0] == '0')
			return v[2] == '0' ? "x.z" : "x.yz";
		return v[2] == '0' ? "wx.z" : "wx.yz";
	case HUNDREDTHS:
		return "x.yz";
	case TAGGED:
		return v[3] == 'A' ? "w.x.y Alpha" : v[3] == 'B' ? "w.x.y Beta" : "w.x.y";
	case TRANSMISSION:
		if (v[0] == '0' && v[1] == '0')
			return v[2] == '0' ? "0.z" : "0.yz";
		return v[3] == 'X' || v[3] == 'Z' ? "w.xy+" : "w.xy";
	default:
		return "";
	}
}

/* Four characters that are not all letters and digits are no version. */
static void version_write(char *out, uint8_t layout, const uint8_t v[static 4])
{
	for (int i = 0; i < 4; i++)
		if (digit_value(v[i]) < 0)
			return;
	for (const char *p = version_pattern(layout, v); *p != 0; p++) {
		if (*p >= 'w' && *p <= 'z')
			*out++ = (char)v[*p - 'w'];
		else if (*p < 'W' || *p > 'Y')
			*out++ = *p;
		else if (v[*p - 'W'] >= 'a')
			*out++ = (char)v[*p - 'W'];
		else
			out = number_write(out, digit_value(v[*p - 'W']));
	}
}

/* -XXvvvv-, and others that put four characters after a prefix of three: TIXvvvv- */
static bool azureus_read(const uint8_t id[static PEERID_SIZE], struct peerid_client *client)
{
	if (id[7] != '-' || id[2] == 0)
		return false;
	client->name = known_find(id[0], id[1], id[2]);
	if (client->name == PEERID_UNKNOWN)
		return false;
	version_write(client->version, known[client->name - 1].layout, id + 3);
	return true;
}

/* Whether an id goes on like a form in which 9 is any decimal digit. */
static bool form_matches(const uint8_t *id, const char *form)
{
	for (; *form != 0; id++, form++)
		if (*form == '9' ? *id < '0' || *id > '9' : *id != *form)
			return false;
	return true;
}

/* Mv-v-v-- or Mv-vv-v- */
static bool mainline_read(const uint8_t id[static PEERID_SIZE], struct peerid_client *client)
{
	if (!form_matches(id + 1, "9-9-9--") && !form_matches(id + 1, "9-99-9-"))
		return false;
	client->name = known_find(id[0], '-', 0);
	if (client->name == PEERID_UNKNOWN)
		return false;
	for (int i = 1; i < 6 || id[i] != '-'; i++)
		client->version[i - 1] = id[i] == '-' ? '.' : (char)id[i];
	return true;
}

/* Xvvv--, Xvvvv- and, without a version, X----- */
static bool shadow_read(const uint8_t id[static PEERID_SIZE], struct peerid_client *client)
{
	char *out = client->version;
	int length = 0;

	while (length < 4 && digit_value(id[1 + length]) >= 0)
		length++;
	if (memcmp(id + 1 + length, "-----", (size_t)(5 - length)) != 0)
		return false;
	if (length > 0 && digit_value(id[1]) > 9)
		return false;
	client->name = known_find(id[0], 0, 0);
	if (client->name == PEERID_UNKNOWN)
		return false;
	for (int i = 1; i <= length; i++) {
		if (i > 1)
			*out++ = '.';
		out = number_write(out, digit_value(id[i]));
	}
	return true;
}

void peerid_client(const uint8_t id[static PEERID_SIZE], struct peerid_client *client)
{
	size_t length = 0;

	memset(client, 0, sizeof(*client));
	if (azureus_read(id, client) || mainline_read(id, client) || shadow_read(id, client))
		return;
	for (int i = 0; i < PEERID_SIZE && length < 8; i++)
		if (id[i] >= ' ' && id[i] <= '~')
			client->version[length++] = (char)id[i];
}

uint16_t peerid_names(void)
{
	return COUNT(known) + 1;
}

const char *peerid_name(uint16_t name)
{
	if (name == PEERID_UNKNOWN || name > COUNT(known))
		return "unknown";
	return known[name - 1].name;
}
