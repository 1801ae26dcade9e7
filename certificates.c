/* certificates.c - see certificates.h */
#include "certificates.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "file.h"
#include "log.h"
#include "options.h"
#include "rights.h"

#define PEM_MAX (256 * 1024)        /* bytes of a certificate or key file */
#define WARNING_DAYS 14             /* before a certificate ends */

static void pairs_free(struct uwt_pair *pairs, size_t count)
{
	size_t i, at;

	for (i = 0; i < count; i++) {
		volatile char *key = (volatile char *)(uintptr_t)pairs[i].key;

		for (at = 0; key != NULL && at < pairs[i].key_size; at++)
			key[at] = 0;
		free((void *)(uintptr_t)pairs[i].certificates);
		free((void *)(uintptr_t)pairs[i].key);
	}
}

static bool read_pem(struct rights *rights, const char *path, const char **content, size_t *size,
    char error[static UWT_ERROR_MAX])
{
	*content = file_read(rights_open(rights, path), PEM_MAX, size);
	if (*content == NULL)
		snprintf(error, UWT_ERROR_MAX, "%.150s: %s", path, rights_fault());
	return *content != NULL;
}

static bool load_pairs(struct uwt_server *server, const struct options *options,
    struct rights *rights, char error[static UWT_ERROR_MAX])
{
	struct uwt_pair pairs[OPTIONS_LIST_MAX] = { { 0 } };
	const struct option_list *certificates = &options->certificates;
	const struct option_list *keys = &options->keys;
	char why[UWT_ERROR_MAX];
	size_t count = certificates->count, wrong, i;
	bool good = true;

	for (i = 0; good && i < count; i++)
		good = read_pem(rights, certificates->items[i], &pairs[i].certificates,
		    &pairs[i].certificates_size, error) &&
		    read_pem(rights, keys->items[i], &pairs[i].key, &pairs[i].key_size, error);
	if (good && !uwt_server_keys(server, pairs, count, &wrong, why)) {
		wrong = wrong < count ? wrong : 0;
		snprintf(error, UWT_ERROR_MAX, "%.75s and %.75s: %.90s", certificates->items[wrong],
		    keys->items[wrong], why);
		good = false;
	}
	pairs_free(pairs, count);
	return good;
}

static void warn_of_date(const struct log *log, const char *path, const char *what, int64_t when)
{
	time_t time = (time_t)when;
	struct tm date;
	char text[32] = "";

	if (gmtime_r(&time, &date) != NULL)
		strftime(text, sizeof text, "%Y-%m-%d", &date);
	log_line(log, LOG_WARNING, "%s: the certificate %s %s", path, what, text);
}

/* What good pairs may still have wrong. */
static void warn_of_doubts(const struct uwt_server *server, const struct options *options,
    const struct log *log)
{
	int64_t now = (int64_t)time(NULL);
	struct uwt_doubts doubts;
	size_t i;

	for (i = 0; uwt_server_doubts(server, i, &doubts); i++) {
		const char *path = options->certificates.items[i];

		if (now > doubts.to)
			warn_of_date(log, path, "has expired, on", doubts.to);
		else if (doubts.to - now < WARNING_DAYS * 86400)
			warn_of_date(log, path, "ends on", doubts.to);
		if (now < doubts.from)
			warn_of_date(log, path, "is not valid before", doubts.from);
		if (doubts.alone)
			log_line(log, LOG_WARNING, "%s: the certificate of who signed it is "
			    "missing: clients will want the whole chain", path);
	}
}

bool certificates_load(struct uwt_server *server, const struct options *options,
    struct rights *rights, const struct log *log, char error[static UWT_ERROR_MAX])
{
	if (!load_pairs(server, options, rights, error))
		return false;
	warn_of_doubts(server, options, log);
	return true;
}
