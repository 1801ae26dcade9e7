/*
 * fuzz_config.c - the config file: its lines must mean what the same options mean on the command
 * line.
 */
#include "fuzz.h"

#include "../../options.h"
#include "file_fuzz.h"

#define CONFIG_SIZE_MAX 65536

/* The command line that says what the file does. */
struct line {
	char **arguments;
	int count;
	bool wrong;             /* it can say nothing of the sort */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Is this an option that cannot stand alone? */
static bool needs_value(char *argument)
{
	char program[] = "uwt", error[OPTIONS_ERROR_MAX];
	char *arguments[] = { program, argument, NULL };
	struct options options;
	bool good = options_read(&options, 2, arguments, error);

	options_free(&options);
	return !good && strstr(error, "needs a value") != NULL;
}

/* `name value` as --name=value. The length is the line's without comment and blanks around. */
static void add_option(struct line *line, const char *text, size_t length)
{
	size_t name = 0, value;
	char *argument = malloc(length + 4);

	if (argument == NULL)
		abort();
	while (name < length && text[name] != ' ' && text[name] != '\t')
		name++;
	for (value = name; value < length && is_blank(text[value]); value++)
		continue;
	line->wrong |= memchr(text, '=', name) != NULL;
	if (value < length)
		snprintf(argument, length + 4, "--%.*s=%.*s", (int)name, text,
		    (int)(length - value), text + value);
	else
		snprintf(argument, length + 4, "--%.*s", (int)name, text);
	if (value == length && needs_value(argument))
		strcat(argument, "=");
	line->arguments[line->count++] = argument;
}

static void add_line(struct line *line, const char *text, size_t length)
{
	size_t start = 0, end;

	for (end = 0; end < length; end++) {
		if (text[end] == '#' && (end == 0 || is_blank(text[end - 1])))
			break;
	}
	while (start < end && is_blank(text[start]))
		start++;
	while (end > start && is_blank(text[end - 1]))
		end--;
	if (start < end)
		add_option(line, text + start, end - start);
}

static struct line line_make(const char *text)
{
	struct line line = { .count = 1 };
	size_t lines = 2, i;

	for (i = 0; text[i] != '\0'; i++)
		lines += text[i] == '\n';
	line.arguments = calloc(lines + 1, sizeof(char *));
	if (line.arguments == NULL)
		abort();
	line.arguments[0] = text_copy("uwt", 3);
	for (i = 0; text[i] != '\0'; ) {
		size_t length = strcspn(text + i, "\n");

		add_line(&line, text + i, length);
		i += length + (text[i + length] == '\n');
	}
	return line;
}

static void line_free(struct line *line)
{
	while (line->count > 0)
		free(line->arguments[--line->count]);
	free(line->arguments);
}

static bool same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void check_list(const struct option_list *a, const struct option_list *b)
{
	size_t i;

	MUST(a->count == b->count);
	for (i = 0; i < a->count; i++)
		MUST(same_text(a->items[i], b->items[i]));
}

static void check_same(const struct options *file, const struct options *line)
{
	struct uwt_options a = file->server, b = line->server;

	check_list(&file->hosts, &line->hosts);
	check_list(&file->certificates, &line->certificates);
	check_list(&file->keys, &line->keys);
	MUST(same_text(file->index, line->index) && same_text(a.trusted, b.trusted));
	MUST(file->port == line->port && file->quiet == line->quiet);
	MUST(file->silent == line->silent);
	a.trusted = b.trusted = NULL;
	MUST(memcmp(&a, &b, sizeof a) == 0);
}

static void compare(const char *text)
{
	char program[] = "uwt", flag[] = "-c", path[] = "file", error[OPTIONS_ERROR_MAX];
	char *arguments[] = { program, flag, path, NULL };
	struct options file, line_options;
	struct line line = line_make(text);
	bool good, line_good;

	/* Structs are compared whole, with their gaps. */
	memset(&file, 0, sizeof file);
	memset(&line_options, 0, sizeof line_options);
	good = options_read(&file, 3, arguments, error);
	if (good || strstr(error, "only possible on the command line") == NULL) {
		line_good = !line.wrong && options_read(&line_options, line.count, line.arguments,
		    error);
		MUST(good == line_good);
	}
	if (good)
		check_same(&file, &line_options);
	options_free(&file);
	options_free(&line_options);
	line_free(&line);
}

int fuzz_config(const uint8_t *data, size_t size)
{
	char program[] = "uwt", config[] = "--config=file", error[OPTIONS_ERROR_MAX];
	char *arguments[] = { program, config, NULL }, *text;
	struct options options;

	file_fuzz_set(data, size);
	if (size > CONFIG_SIZE_MAX || memchr(data, '\0', size) != NULL) {
		MUST(!options_read(&options, 2, arguments, error));
		options_free(&options);
		return 0;
	}
	text = text_copy(data, size);
	compare(text);
	free(text);
	return 0;
}
