/*
 * test_page.c - both pages: the hashes in their policies (CSP) are those of what they hold.
 *
 * After a change to a page this fails, and prints the hash to put in.
 */
#include "test.h"

#include <bearssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../dashboard.h"
#include "../page.h"

#define PAGE_MAX 10240
#define SOURCE_SIZE 54          /* 'sha256-' with 44 characters of base64, and NUL */

/* Write a hash as a policy names it. */
static void source_of(const char *content, size_t length, char out[static SOURCE_SIZE])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char hash[br_sha256_SIZE + 1] = { 0 };
	br_sha256_context context;
	char *at = out + sprintf(out, "'sha256-");

	br_sha256_init(&context);
	br_sha256_update(&context, content, length);
	br_sha256_out(&context, hash);
	for (unsigned i = 0; i < br_sha256_SIZE; i += 3) {
		unsigned word = (unsigned)hash[i] << 16 | (unsigned)hash[i + 1] << 8;

		if (i + 2 < br_sha256_SIZE)
			word |= hash[i + 2];
		*at++ = digits[word >> 18];
		*at++ = digits[word >> 12 & 63];
		*at++ = digits[word >> 6 & 63];
		*at++ = i + 2 < br_sha256_SIZE ? digits[word & 63] : '=';
	}
	strcpy(at, "'");
}

/* The sources of one directive in a policy, as a string of its own; "" if it has none. */
static char *directive(const char *policy, size_t length, const char *name)
{
	char *copy = malloc(length + 1), *at, *start;

	memcpy(copy, policy, length);
	copy[length] = '\0';
	for (at = strtok(copy, ";\r\n"); at != NULL; at = strtok(NULL, ";\r\n")) {
		start = at + strspn(at, " ");
		if (strncmp(start, name, strlen(name)) == 0 && start[strlen(name)] == ' ') {
			start = strdup(start + strlen(name) + 1);
			free(copy);
			return start;
		}
	}
	copy[0] = '\0';
	return copy;
}

/* Does a directive name exactly the hashes of the elements <name>...</name> of a page? */
static bool names_elements(const char *page, const char *name, const char *sources)
{
	char start[16], end[16], source[SOURCE_SIZE], expected[512] = "";
	const char *at = page, *content, *close;

	snprintf(start, sizeof start, "<%s", name);
	snprintf(end, sizeof end, "</%s>", name);
	while ((at = strstr(at, start)) != NULL) {
		content = strchr(at, '>') + 1;
		close = strstr(content, end);
		CHECK(close != NULL);
		source_of(content, (size_t)(close - content), source);
		if (expected[0] != '\0')
			strcat(expected, " ");
		if (strlen(expected) + SOURCE_SIZE + 1 < sizeof expected)
			strcat(expected, source);
		at = close;
	}
	if (strcmp(expected, sources) == 0)
		return true;
	printf("%s-src is   %s\nbut must be %s\n", name, sources, expected);
	return false;
}

/* The landing page, terminated. */
static char *landing_page(void)
{
	char *page = malloc(sizeof page_index + 1);

	memcpy(page, page_index, sizeof page_index);
	page[sizeof page_index] = '\0';
	CHECK(strlen(page) == sizeof page_index);
	return page;
}

/* SHA-256 and base64 as the standards' examples have them. */
static void hashes(void)
{
	char source[SOURCE_SIZE];

	source_of("abc", 3, source);
	CHECK(strcmp(source, "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='") == 0);
	source_of("", 0, source);
	CHECK(strcmp(source, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='") == 0);
}

static void landing_size(void)
{
	if (sizeof page_index > PAGE_MAX)
		printf("index.html has %zu bytes\n", sizeof page_index);
	CHECK(sizeof page_index <= PAGE_MAX);
}

static void landing_policy(void)
{
	char *page = landing_page(), *policy, *end, *sources;

	policy = strstr(page, "http-equiv=Content-Security-Policy content=\"");
	CHECK(policy != NULL);
	if (policy == NULL)
		return;
	/* It must come before what it is about. */
	CHECK(policy < strstr(page, "<style") && policy < strstr(page, "<script"));
	policy = strchr(policy, '"') + 1;
	end = strchr(policy, '"');
	sources = directive(policy, (size_t)(end - policy), "script-src");
	CHECK(names_elements(page, "script", sources));
	free(sources);
	sources = directive(policy, (size_t)(end - policy), "style-src");
	CHECK(names_elements(page, "style", sources));
	free(sources);
	sources = directive(policy, (size_t)(end - policy), "default-src");
	CHECK(strcmp(sources, "'none'") == 0);
	free(sources);
	free(page);
}

static void stats_policy(void)
{
	static const struct hash_secret secret = { { 1, 2 } };
	struct stats_clients *clients = stats_clients_init(calloc(1, stats_clients_size()),
	    &secret);
	const struct stats_numbers numbers = { .server = "uwt", .version = "1",
		.clients = clients };
	const char *policy = strchr(dashboard_policy(), ':') + 1;
	char *page = malloc(DASHBOARD_TEXT_MAX + 1), *sources;

	page[dashboard(&numbers, NULL, HISTORY_HOUR, page)] = '\0';
	CHECK(strstr(page, "<style") != NULL && strstr(page, "<script") != NULL);
	sources = directive(policy, strlen(policy), "style-src");
	CHECK(names_elements(page, "style", sources));
	free(sources);
	sources = directive(policy, strlen(policy), "script-src");
	CHECK(names_elements(page, "script", sources));
	free(sources);
	sources = directive(policy, strlen(policy), "default-src");
	CHECK(strcmp(sources, "'none'") == 0);
	free(sources);
	free(page);
	free(clients);
}

int main(void)
{
	RUN(hashes);
	RUN(landing_size);
	RUN(landing_policy);
	RUN(stats_policy);
	return test_end();
}
