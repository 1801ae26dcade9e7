/* test_sha1.c - SHA-1 against NIST's vectors, whole, byte by byte and at every split. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../sha1.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static bool digest_is(struct sha1 *sha1, const char *hex)
{
	uint8_t *digest = guard_alloc(SHA1_SIZE);
	char text[2 * SHA1_SIZE + 1];
	size_t i;

	sha1_final(sha1, digest);
	for (i = 0; i < SHA1_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	guard_free(digest, SHA1_SIZE);
	return strcmp(text, hex) == 0;
}

/* The message in up to three pieces, each ending at a guard page. */
static bool pieces_are(const uint8_t *data, size_t len, size_t first, size_t second,
    const char *hex)
{
	size_t sizes[3] = {first, second - first, len - second};
	struct sha1 sha1;
	size_t i;

	sha1_init(&sha1);
	for (i = 0; i < 3; data += sizes[i], i++) {
		void *piece = guard_copy(data, sizes[i]);

		sha1_update(&sha1, piece, sizes[i]);
		guard_free(piece, sizes[i]);
	}
	return digest_is(&sha1, hex);
}

static void message_check(const uint8_t *data, size_t len, const char *hex)
{
	struct sha1 sha1;
	size_t i;

	CHECK(pieces_are(data, len, len, len, hex));
	for (i = 0; i <= len; i++) {
		CHECK(pieces_are(data, len, i, len, hex));
		CHECK(pieces_are(data, len, i / 2, i, hex));
	}
	sha1_init(&sha1);
	for (i = 0; i < len; i++)
		sha1_update(&sha1, data + i, 1);
	CHECK(digest_is(&sha1, hex));
}

/* The messages of FIPS 180-2, appendix A. */
static void fips(void)
{
	static const char *const vectors[][2] = {
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		 "a49b2446a02c645bf419f995b67091253a04a259"}
	};
	size_t i;

	for (i = 0; i < COUNT(vectors); i++)
		message_check((const uint8_t *)vectors[i][0], strlen(vectors[i][0]),
		    vectors[i][1]);
}

/* NIST's CAVS files: all of SHA1ShortMsg, and the first of SHA1LongMsg. */
static const char *const cavs_vectors[][2] = {
	{"",
	 "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{"e0",
	 "c2204edbfb1b72c9e996a5e6464f6ab0198c494f"},
	{"4138",
	 "099e1f1eb47d200538412efd1b5980ecdf3551ed"},
	{"a0638c",
	 "bb9d681d461aacddf11a00857539b24ccd114a03"},
	{"e5c4d8f8",
	 "7a2e4ac03e42adc965baa9d8d757da7a48b8b5c2"},
	{"41fd2295c3",
	 "a78edfd9ebc8692afc6b9c48e3e87e59773251a4"},
	{"0c0c36ea2599",
	 "6faa2d4763d357921cdd19d6fd315e6c9a9641fd"},
	{"2c95e7ba95f91f",
	 "82741d15c9b9f284e55eecd858fee220ad793be4"},
	{"b40b85885cb6d4ea",
	 "a721a6902ed91aab788b1eb8446b709dd72ef8d6"},
	{"bdf45c6e06c718d832",
	 "725dbadad9f0b50b1fe7ec188959dc6ed3e1a733"},
	{"f708889f819a84d89272",
	 "6c7e1a7ecdf3255ea0aacdf423c21d6a2da45350"},
	{"1cd55ca75024eead495d1a",
	 "cceef29e2619161135bc5d445c0b47a068c2245c"},
	{"4f68e01da8b33f813bf7b984",
	 "11d93fcf874ef17004236b4f23acae09647c4ba0"},
	{"05a0a9f11dffd7cbaa4869085b",
	 "59fb66b2e2275eb6028dd3d93798846bd6258545"},
	{"270780fb49d0d33253e9298c6a6c",
	 "67e0605937a92f0666c6817d896aec24423984cb"},
	{"0d620370ab27194622178a67a132af",
	 "f85ce770617bec605701e1380d9b35d52ea1c39c"},
	{"4486e9b913959379d58652c49c7dcb79",
	 "565b793a4298083d15f28742e82a8d3cbfcdc8ec"},
	{"d3811b90d6c0bfbd41f023fa941b74ca14",
	 "98f96df74a358a0150f7c13ca697ff4a731c070a"},
	{"817bed60de52df6c584cfb38cd9b3c2b1e72",
	 "55ea65ec9fc245e4c7a04fdcb87319ab3e00ee1c"},
	{"b6e964eae9ead675e17139ac62c20b227d3793",
	 "757a0ef748882d7857e840a41b78fc72cbb1a94b"},
	{"a6db993bf360083477c931d19aaddfffaaf4e596",
	 "d1c09d3e40d5af6e089c56ad223acdc4ca7f5e72"},
	{"4c6632b6e6ce9cd3b72773eae09b8a8c8354b15c86",
	 "38e593cc6b82838e4c186579365a90e2b15ed753"},
	{"78c167a35440f4249d4681d8aecff2a5221b51fef549",
	 "4d2a7bf4323a3a4327e8638dfb706d89071ae057"},
	{"094b4507de75073f00f421703444aaa271536ec7f1409b",
	 "db1f928b6ceea8dc3803252a987bf6f005117546"},
	{"9e3f01f6d5b1a36baccbc019d307348097124ec1633877b3",
	 "65f8a12b853c93528f0fde55c2c915ef9d819de3"},
	{"cca966633afcd230e9f422da56a36b38d5a52ed58d0e7d8bc4",
	 "9e46b3ee30fd282e7694106a8d261b4d3f8d0bd5"},
	{"676662345b42e89697a3c8315bd9e1f428705fed25053dbcc159",
	 "9a7e948d71fe43bb71d52c526947ce8d12c80f10"},
	{"d061838b57b8f709970ef35efdeb6bfd42f5044e3f70825102017f",
	 "2a89a126637f077101055ccbff9a0a838dd2bb04"},
	{"fe9a98da525e50e5d8178375f1b62e2029a2e7b65f531f78271ca484",
	 "4763566d88452bb8f0b153581e1e8b31dc477993"},
	{"f34d7e1ed65882ea2c647606318b9cfa5a3f3361e98ca44abe9dfcdd70",
	 "fee23252835cd2dcb005f5a85ccf785d377c9363"},
	{"077cd4113b0cd72db66d85f23e9609ad76ee3ba910b471b13e9e97d069c0",
	 "097b0c082fc6ca2e70031fe67ba083abf76682f6"},
	{"e928d5028caf3250b1505fd730d21737bd6dc208192e4665859d1fab7c9cb2",
	 "bda20be172b464b70a67c240c12a8fa89326406e"},
	{"3e726357d53a9a40ae3172c05af032cf7ae2a2e931f01dc9d95de875f5eec27a",
	 "ab3bc7e80a3c6b92285cf01b119dde6654c3903b"},
	{"77a9646e0dad473d7d0971431e449f583e0a1eaa1f22e8553fa01134dc5c61f6b8",
	 "c19b3f4da5cfc969109b061ac99fbf318b2d058b"},
	{"9a0861db87288df79eeb6b23042f74c71c222e21b3a7fed37bfc3d9ebb998f6d445b",
	 "ca44de1a2372bf36e42f110502a55a7e881443aa"},
	{"ea43cb6c0e0a1cc753785da3231e6cb56dffcec1f796a1baf61bd12bdc038fd571c6ff",
	 "03d6dd76a70019350086243a5e5d7c1beac2c34c"},
	{"5a38700190503ba8c95a379c6a3a8ff482d45eedaa69b7db3023e96674ee01f2918a905f",
	 "b1b5e3e457365df06f82a343627c30700c01d713"},
	{"48139c3116e99de70620202a1f77755559d38504f73cc0301728569c88fcaa70dbd00424bd",
	 "b8323238452f5865cf9c038bfe074038c0f9498b"},
	{"50c1a1d66909526beeec8c50c900a3580e5965e42df2f5626b4fd71493614713e8aacf935fa2",
	 "d35f1dbfc65d6e829c0244b54ef168dfb4a054e8"},
	{"2f239a2dbea0e83703e22998b39fd244fd15b41662937272c73a3829c905aa9c50071b2567f400",
	 "3a2cc63b3d66bef580b834a2eb27dc52806d66d4"},
	{"b07dd8f6bcfeacb41478f301085286234eb6f9303cf26f883a1eb3a378ff850ddc2c32ae3f6f684f",
	 "f4f25314ab0bdcb265d471d446a1e705973a0674"},
	{"f39030db668f67dbbcd01b935305ccd6c927171aca022e1e26f486d027f2cf6d21cb29ea4ab19593"
	 "cc",
	 "6ace97a1a8e5cc3a82fc99459e245d32ea527670"},
	{"1fd7042f891bf083896d4bbd369395f1a65a337c122db73b36e562faf7e3e72f485c72e94ef5e903"
	 "c290",
	 "da1ad47b958b041d2f490845c53890dd189bd22b"},
	{"0488a1db4e7d890a454b44ae2396f32b4b8438707f1f037c53fba920e2183707bf0905f52f568e4c"
	 "95207e",
	 "0bb0bbf6e394a3e6f42524ce51719359153a5e79"},
	{"690f50e25bd2765c687e3a00f3bb2e634d6258c3cd3fe6eb23161d57e9e393997b669efb09df0c66"
	 "ea171482",
	 "b5bd6524ea20dbcf98c10012599cf35661f9985c"},
	{"5f7a981f5116a979e3c999d0a277065fb443de6b1abac419324db5828005eb09ad7201edd0e5591a"
	 "eddfbb45bb",
	 "3c755c83d3b2dbf56822ea621e43fada214d3330"},
	{"5834c88031067a320315fbe778355cbe45181b8bffcc9a7a2f85d0f5a89d3fc718d92681deeef71c"
	 "1b440be10cf9",
	 "7399be7a4e27d1df6bf1b74745eef38de756320c"},
	{"92252b8b0016e7e77f20728b066f1821ea166e7cffa594ce00feb81b3064dbed42d5d84a769aa2e3"
	 "061ccd8ec0f950",
	 "3161d1552020abdd016e11d179469d24e4364f39"},
	{"c6c13eea2d7e71503bd4274a412645f184f45c67320039159aafb7379bb1d89b5de414a54076f197"
	 "124bd40f859e17d2",
	 "755e18b0d51a296f16a61940313e69049a70a54c"},
	{"7dd33fa4ab628c0dba951161563bf57bfea3d4d15ba7b79fd1e94342555d30e17e08fd53de07e23d"
	 "92d2077b18c2f3c261",
	 "5f0f6c6ea01c771e6cd4e83c82cd812c91da9090"},
	{"193e156bcab64b3083b417ba60f21ea7d034e009f7203ccf5050368197a6f931e6df18ae1e6b19fa"
	 "887c34febc5e587dc206",
	 "f41aa999bac8e4fcbcbba89d3e9b1191aae67b68"},
	{"195ef723253c90fde93bf8d767def470300730d9e16ade87ee42a0a79e42a8b157cf1d401c6cc121"
	 "5476d2aacd112e4d0062ba",
	 "410f4bb4f89d86822e3b7f41441d7210079c4840"},
	{"6c8d8e0812bfcc18ca2a17d5f8ae9f42e77ca1336b293003c4023586c6a0b53e37bc52d2794415bb"
	 "68ad6a41868c6ca6566063a1",
	 "8542f56f8dda4d900f7644e96308ee796141e8a3"},
	{"614ef07e6b0e52a832240ebc5ea8aab744aac1530bc94d360d01266980c5c50b564e4e476132ce83"
	 "bb38c0da656bd7cd2e6df735d7",
	 "f640703acf07c5b003b811db5cf47ca4cd03119f"},
	{"f03e4f9edf7faa77d55a22327c23ce5bbb72f3ef2eca1e1fd4786f5108be3868b331c745bf607f8d"
	 "cfb62ead2da29a1c03f45de0cf8b",
	 "6bde81ce5558bda077db867f16ffd27f7510ae4a"},
	{"8e608d4bac688c4afdcd93cdeae3fcd935f530403a7e0f72749b929642c1aedaebab7c07e0979858"
	 "42b2c78ca4d1dc3a1261dc6552a160",
	 "4ca82efd6e7b10a3cb7da9ca79b064001a867646"},
	{"6e29c28d97ab8a8bd9670837a3e82e0f844b30c085478049bc6afd5e1ea5680a950b179953d6edb5"
	 "65ab89cf8b1fbec1477943b134b9ac38",
	 "33c29860b4a4af2167185f857aa20307d6b4f3b1"},
	{"edc303ac635a904af6993193d9f15eadecd983e49921039efb837c91467c4d33635a5572da95fea6"
	 "f5627ac423864dd49a680ca5406b64bfcc",
	 "0116527fcbadbad8eb3d35331d32eaa2c6a954ae"},
	{"f276348b81989b2c5b1e14e4129af870ff567714ef3beb951af1668755488dcf88d7aa6061e3fc48"
	 "4a8252f099ffd89f0781304164e8c46789f8",
	 "919fc0b98deae5abd2aab99af2aca2fb15da6d09"},
	{"d62db0c0359a0ef8d810d17d1e01f56f75b2fc5221ebd7643af30a2ef4bc0c5a245aecc4ffb93ad4"
	 "2490250add91e1daa1e34cbbded1d07bf6c48b",
	 "90abc83e0d9e5bd51688c08145707a2407c83d14"},
	{"0767803701044a36266ad0b9a22b32ec3dfc18687f54f66218368e227f4ab6b7d8335bea1b1dc670"
	 "73951e64e49e2ef43101695afde42b0e309e4239",
	 "5802bbf6c09bc4089d4720bc43e4b64cfb6afc2a"},
	{"1d53dfa05ca020a922ed947a6b1e21ae773d3a4165c00ef3030a00ede53458a7b40c3809c95ed1d1"
	 "fa73d634b4d831c84b60f6a18d6c95ba9d6a5397ff",
	 "545a42bce41155470de371fcac5a1f95293f5728"},
	{"84e5d1d3adf549b75f00052f35088df31138f320b02505968255c89eb9fe22d1a00fd7352f74b7a8"
	 "dc961582b3227a76a90c9bb92ed38966010628224807",
	 "f22856dbc728c55b51a458d0165cb07d83a3e1df"},
	{"6a2466c4ef8d878d4b917223c8a2e41d2bc3e531e7eaa0b191a87256940b413d26c40f2f7a85ce25"
	 "37ad760b2a2756c5378fa770969767ea3caa659496cf98",
	 "6d378f822e2b705865492c3a2afde8ab6cff886e"},
	{"4f86cf9bedc40560a5c9b74c1ee8f7f819349da85f9fe189f86329379ea11f8272480772ed395089"
	 "18a9684700c6d5f4649d8299b23b565032120bbd809f3edd",
	 "7233a0f331054dbc9589f1a8912611847a4993b0"},
	{"7c9c67323a1df1adbfe5ceb415eaef0155ece2820f4d50c1ec22cba4928ac656c83fe585db6a78ce"
	 "40bc42757aba7e5a3f582428d6ca68d0c3978336a6efb729613e8d9979016204bfd921322fdd5222"
	 "183554447de5e6e9bbe6edf76d7b71e18dc2e8d6dc89b7398364f652fafc734329aafa3dcd45d4f3"
	 "1e388e4fafd7fc6495f37ca5cbab7f54d586463da4bfeaa3bae09f7b8e9239d832b4f0a733aa609c"
	 "c1f8d4",
	 "d8fd6a91ef3b6ced05b98358a99107c1fac8c807"}
};

static void cavs(void)
{
	size_t i;

	for (i = 0; i < COUNT(cavs_vectors); i++) {
		const char *hex = cavs_vectors[i][0];
		uint8_t message[256];
		size_t len;

		for (len = 0; hex[2 * len] != '\0'; len++) {
			char pair[3] = {hex[2 * len], hex[2 * len + 1], '\0'};

			message[len] = (uint8_t)strtoul(pair, NULL, 16);
		}
		message_check(message, len, cavs_vectors[i][1]);
	}
	CHECK(i == 66);
}

/* Around the places where the padding needs another block. */
static void block_ends(void)
{
	static const struct {
		size_t len;
		const char *hex;
	} vectors[] = {
		{54, "b05d71c64979cb95fa74a33cdb31a40d258ae02e"},
		{55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
		{56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
		{57, "f08f24908d682555111be7ff6f004e78283d989a"},
		{63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
		{64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
		{65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
		{118, "d0572de8e494e0b7b8e50302003fc4ae0596ef4d"},
		{119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
		{120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
		{121, "fa6b5a6f8ac27182f838fe7841ec6d2aef3ade29"},
		{127, "89d95fa32ed44a7c610b7ee38517ddf57e0bb975"},
		{128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"},
		{129, "d96debf1bdcbc896e6c134ea76e8141f40d78536"}
	};
	uint8_t message[129];
	size_t i;

	memset(message, 'a', sizeof message);
	for (i = 0; i < COUNT(vectors); i++)
		message_check(message, vectors[i].len, vectors[i].hex);
}

/* The digest of the digests of messages of every length from 0 to 512. */
static void every_length(void)
{
	struct sha1 all, one;
	uint8_t message[512], digest[SHA1_SIZE];
	size_t len, i;

	sha1_init(&all);
	for (len = 0; len <= sizeof message; len++) {
		for (i = 0; i < len; i++)
			message[i] = (uint8_t)(i * 7 + len);
		sha1_init(&one);
		sha1_update(&one, message, len);
		sha1_final(&one, digest);
		sha1_update(&all, digest, sizeof digest);
	}
	CHECK(digest_is(&all, "e5f1f328f7d98a7127637b3ab0a65663052ca061"));
}

/* The long message of FIPS 180-2, in steps that meet every offset into a block. */
static void million(void)
{
	static const size_t steps[] = {1, 63, 64, 65, 1000, 1000000};
	uint8_t *message = malloc(1000000);
	size_t i;

	CHECK(message != NULL);
	if (message == NULL)
		return;
	memset(message, 'a', 1000000);
	for (i = 0; i < COUNT(steps); i++) {
		struct sha1 sha1;
		size_t at, take;

		sha1_init(&sha1);
		for (at = 0; at < 1000000; at += take) {
			take = 1000000 - at < steps[i] ? 1000000 - at : steps[i];
			sha1_update(&sha1, message + at, take);
		}
		CHECK(digest_is(&sha1, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"));
	}
	free(message);
}

/* A length whose bits need the upper word; the digest is that of the last block alone. */
static void length_of_64_bits(void)
{
	struct sha1 sha1;

	sha1_init(&sha1);
	sha1.length = UINT64_C(0x123456789) << 6;
	CHECK(digest_is(&sha1, "f534747953007ee791e3876ddfddde54503fa78e"));
}

int main(void)
{
	RUN(fips);
	RUN(cavs);
	RUN(block_ends);
	RUN(every_length);
	RUN(million);
	RUN(length_of_64_bits);
	return test_end();
}
