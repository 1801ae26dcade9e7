/*
 * private-tracker.c - a tracker for who has a key, which stands in the tracker's URL:
 * wss://tracker.example.org/KEY or wss://tracker.example.org/?key=KEY. An example of uwt(3).
 *
 *	cc private-tracker.c -o private-tracker $(pkg-config --cflags --libs uwt)
 *	./private-tracker 8000 keys
 *
 * The file has a key a line and is looked at for each peer that comes, so that keys can be added
 * and taken away. Who is in is asked for the key again after an hour.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uwt.h>

/* What follows `key=` in the query, or else the path without its slash. */
static struct uwt_slice key_of(const struct uwt_request *request)
{
	struct uwt_slice rest = request->query;

	while (rest.length > 0) {
		const char *end = memchr(rest.text, '&', rest.length);
		size_t length = end != NULL ? (size_t)(end - rest.text) : rest.length;

		if (length > 4 && memcmp(rest.text, "key=", 4) == 0)
			return (struct uwt_slice){ rest.text + 4, length - 4 };
		length += end != NULL;
		rest = (struct uwt_slice){ rest.text + length, rest.length - length };
	}
	return (struct uwt_slice){ request->path.text + 1, request->path.length - 1 };
}

static bool has_line(const char *path, struct uwt_slice key)
{
	FILE *file = fopen(path, "r");
	char line[200];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
		found = key.length > 0 && strcspn(line, "\r\n") == key.length &&
		    memcmp(line, key.text, key.length) == 0;
	if (file != NULL)
		fclose(file);
	return found;
}

static struct uwt_verdict filter(void *context, const struct uwt_question *question)
{
	if (has_line(context, key_of(question->request)))
		return (struct uwt_verdict){ UWT_ALLOW, NULL, 3600 };
	return (struct uwt_verdict){ UWT_REFUSE, "this tracker needs a key in its URL", 0 };
}

int main(int argc, char **argv)
{
	struct uwt_server *server = NULL;
	struct uwt_options options;
	char error[UWT_ERROR_MAX] = "usage: private-tracker PORT FILE-OF-KEYS";
	const char *single;
	uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 0;

	uwt_options_init(&options);
	options.callbacks.filter = filter;
	options.callbacks.context = argv[argc - 1];
	if (argc != 3 || !uwt_options_fit(&options, 64 << 20, 1024, error) ||
	    (server = uwt_server_new(&options, error)) == NULL ||
	    !uwt_server_listen(server, NULL, 0, port, &port, &single, error)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	printf("ws://localhost:%u/KEY\n", (unsigned)port);
	fflush(stdout);
	uwt_server_run(server);
	uwt_server_free(server);
}
