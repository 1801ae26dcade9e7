/*
 * fuzz_question.c - lines to helpers and their answers, against trees of them (tree.c).
 *
 * The input is an answer. Then it is cut into the strings of a question and of an event.
 */
#include "fuzz.h"

#include "../../question.h"
#include "../../ws.h"
#include "tree.h"

#define HEADERS_MAX 8
#define LINE_MAX 65536

/* -- answers -------------------------------------------------------------------------------- */

static bool is_kind(const struct tree *tree, enum tree_kind kind)
{
	return tree != NULL && tree->kind == kind;
}

static bool is_absent(const struct tree *tree)
{
	return tree == NULL || tree->kind == TREE_NULL;
}

static double plain_number(const struct tree *tree)
{
	char *text = text_copy(tree->text, tree->length);
	double number = strtod(text, NULL);

	free(text);
	return number;
}

static uint64_t plain_id(const struct tree *tree)
{
	double number;
	size_t i;

	if (!is_kind(tree, TREE_NUMBER))
		return 0;
	for (i = 0; i < tree->length; i++) {
		if (tree->text[i] < '0' || tree->text[i] > '9')
			return 0;
	}
	number = plain_number(tree);
	return number <= QUESTION_NUMBER_MAX ? (uint64_t)number : 0;
}

/* A number that strtod takes for 0, but that is less, is wrong too. */
static bool plain_negative(const struct tree *tree)
{
	size_t i;

	if (tree->text[0] != '-')
		return false;
	for (i = 1; i < tree->length && tree->text[i] != 'e' && tree->text[i] != 'E'; i++) {
		if (tree->text[i] >= '1' && tree->text[i] <= '9')
			return true;
	}
	return false;
}

static bool plain_answer(const struct tree *tree)
{
	const struct tree *allow = tree_member(tree, "allow");
	const struct tree *reason = tree_member(tree, "reason");
	const struct tree *ttl = tree_member(tree, "ttl");

	return is_kind(tree, TREE_OBJECT) && tree_tokens(tree) <= QUESTION_TOKENS_MAX &&
	    plain_id(tree_member(tree, "id")) != 0 &&
	    (is_kind(allow, TREE_TRUE) || is_kind(allow, TREE_FALSE)) &&
	    (is_absent(reason) || reason->kind == TREE_STRING) &&
	    (is_absent(ttl) || (ttl->kind == TREE_NUMBER && !plain_negative(ttl)));
}

static void check_ttl(uint32_t ttl, const struct tree *tree)
{
	double number = is_absent(tree) ? 0 : plain_number(tree);

	/* What strtod rounds may be the next one. */
	MUST(number >= QUESTION_TTL_MAX ? ttl >= QUESTION_TTL_MAX - 1 && ttl <= QUESTION_TTL_MAX :
	    ttl <= number && number < (double)ttl + 1.000001);
}

/* It may stand anywhere, and is as long as can be. */
static void check_reason(const char *reason, const struct tree *tree)
{
	size_t length = strlen(reason), least = QUESTION_REASON_MAX - 4, i;

	MUST(length < QUESTION_REASON_MAX);
	MUST(ws_utf8_valid((const uint8_t *)reason, length));
	for (i = 0; i < length; i++)
		MUST(reason[i] != '"' && reason[i] != '\\' && (uint8_t)reason[i] >= ' ' &&
		    reason[i] != 0x7f);
	if (!is_absent(tree) && tree->count < least)
		least = tree->count;
	MUST(is_absent(tree) ? length == 0 : length >= least);
}

static void check_answer(const uint8_t *data, size_t size)
{
	char *line = exact_copy(data, size);
	struct question_answer answer;
	bool right = question_answer(line, size, &answer) == NULL;
	struct tree *tree;

	if (right)
		MUST(ws_utf8_valid((const uint8_t *)answer.reason, strlen(answer.reason)));
	if (ws_utf8_valid(data, size)) {
		tree = tree_read(line, size);
		MUST(right == plain_answer(tree));
		if (right) {
			MUST(answer.id == plain_id(tree_member(tree, "id")));
			MUST(answer.allow == is_kind(tree_member(tree, "allow"), TREE_TRUE));
			check_ttl(answer.ttl, tree_member(tree, "ttl"));
			check_reason(answer.reason, tree_member(tree, "reason"));
		}
		tree_free(tree);
	}
	free(line);
}

/* -- lines ---------------------------------------------------------------------------------- */

/* Is this string what these bytes are, if they are UTF-8? */
static void check_string(const struct tree *tree, struct json_slice bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.text, *end = at + bytes.len;
	size_t i;

	MUST(is_kind(tree, TREE_STRING));
	if (!ws_utf8_valid(at, bytes.len))
		return;
	for (i = 0; at < end; i++)
		MUST(i < tree->count && tree->points[i] == json_point_raw(&at, end));
	MUST(i == tree->count);
}

/* A line is one line, and an object. */
static struct tree *line_read(const struct text *line)
{
	struct tree *tree;
	size_t i;

	MUST(!line->full && ws_utf8_valid((const uint8_t *)line->start, line->length));
	for (i = 0; i < line->length; i++)
		MUST((uint8_t)line->start[i] >= ' ' && line->start[i] != 0x7f);
	tree = tree_read(line->start, line->length);
	MUST(is_kind(tree, TREE_OBJECT));
	return tree;
}

/* The next string: a byte that is its length, and so many bytes. */
static struct json_slice take_string(struct input *input)
{
	struct input part = input_part(input, input_byte(input));

	return (struct json_slice){ part.at != NULL ? (const char *)part.at : "", part.left };
}

static void check_question(const struct question *question)
{
	char *memory = malloc(LINE_MAX), *less;
	struct text line = { .start = memory, .max = LINE_MAX };
	struct tree *tree;

	MUST(memory != NULL && question_write(&line, question));
	tree = line_read(&line);
	check_string(tree_member(tree, "address"), question->address);
	MUST(is_kind(tree_member(tree, "path"), TREE_STRING));
	MUST(is_kind(tree_member(tree, "headers"), TREE_OBJECT));
	MUST((tree_member(tree, "left") != NULL) == (question->left.len > 0));
	tree_free(tree);
	/* One byte less is too little, and none is written beyond. */
	less = malloc(line.length - 1);
	line = (struct text){ .start = less, .max = line.length - 1 };
	MUST(less != NULL && !question_write(&line, question));
	free(less);
	free(memory);
}

static void check_event(const struct question *question, uint64_t dropped)
{
	char memory[4096];
	struct text line = TEXT_IN(memory);
	struct tree *tree;

	MUST(question_event(&line, "update", question->info_hash, question->peer_id,
	    question->address, dropped));
	tree = line_read(&line);
	check_string(tree_member(tree, "address"), question->address);
	MUST((tree_member(tree, "dropped") != NULL) == (dropped > 0));
	tree_free(tree);
}

int fuzz_question(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct question_header headers[HEADERS_MAX];
	struct question question = { .id = 1, .action = "announce", .headers = headers };
	uint8_t id[QUESTION_ID_SIZE];

	check_answer(data, size);
	memset(id, input_byte(&input), sizeof id);
	question.info_hash = question.peer_id = id;
	question.left = (struct json_slice){ "12.5", input_byte(&input) & 1 };
	question.address = take_string(&input);
	question.path = take_string(&input);
	question.query = take_string(&input);
	while (input.left > 0 && question.header_count < HEADERS_MAX) {
		headers[question.header_count].name = take_string(&input);
		headers[question.header_count++].value = take_string(&input);
	}
	check_question(&question);
	check_event(&question, id[0]);
	return 0;
}
