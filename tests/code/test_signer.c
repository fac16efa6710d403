// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/bytes.h"
#include "code/signer.h"
#include "pe/image.h"

enum { CERT_DIR = 4, SIGNED_MAX = 8192 };

static X509 *certificate(EVP_PKEY *key, const char *name)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);

	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	if (name)
		X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
			(const unsigned char *)name, -1, -1, 0);
	else
		X509_NAME_add_entry_by_txt(n, "O", MBSTRING_UTF8,
			(const unsigned char *)"Nobody", -1, -1, 0);
	X509_set_issuer_name(x, n);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

// An image with a signature over some bytes behind its sections.
static size_t build(uint8_t *file, const char *name)
{
	static char text[] = "what is signed";
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x = certificate(key, name);
	BIO *in = BIO_new_mem_buf(text, -1);
	PKCS7 *p7 = PKCS7_sign(x, key, NULL, in, PKCS7_BINARY);
	struct image im;
	unsigned char *der = NULL;
	int n = i2d_PKCS7(p7, &der);
	size_t size = (size_t)n + 8;

	assert_true(n > 0 && size < SIGNED_MAX);
	img_init(&im, 0x8664, true);
	img_dir(&im, CERT_DIR, IMG_FILE, (uint32_t)size);
	memcpy(file, im.file, IMG_FILE);
	psc_put32(file + IMG_FILE, (uint32_t)size);
	psc_put16(file + IMG_FILE + 4, 0x200);
	psc_put16(file + IMG_FILE + 6, 2);
	memcpy(file + IMG_FILE + 8, der, (size_t)n);
	OPENSSL_free(der);
	PKCS7_free(p7);
	BIO_free(in);
	X509_free(x);
	EVP_PKEY_free(key);
	return IMG_FILE + size;
}

static void names_the_signer(void **state)
{
	static uint8_t file[IMG_FILE + SIGNED_MAX];
	struct psc_pe_file f;
	char *text;
	size_t n = build(file, "Fabrikam \xc3\xa4 Drivers");

	CHECK_OK(psc_pe_open_file(file, n, "a", &f));
	CHECK_OK(psc_signer_text(&f, &text));
	assert_string_equal(text, "Fabrikam \xc3\xa4 Drivers");
	free(text);
	n = build(file, NULL);
	CHECK_OK(psc_pe_open_file(file, n, "a", &f));
	CHECK_ERR(psc_signer_text(&f, &text), PSC_ERR_DAMAGED);
}

static void not_embedded(void **state)
{
	struct image im;
	struct psc_pe_file f;
	char *text;

	img_init(&im, 0x8664, true);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_signer_text(&f, &text));
	assert_non_null(strstr(text, "catalogue"));
	free(text);
}

// Any cut of the signature: an error or the name, nothing else.
static void truncations(void **state)
{
	static uint8_t file[IMG_FILE + SIGNED_MAX];
	size_t n = build(file, "Fabrikam");

	for (size_t size = IMG_FILE + 9; size < n; size += 13) {
		uint8_t *copy = malloc(size);
		struct psc_pe_file f;
		char *text;

		memcpy(copy, file, size);
		psc_put32(copy + IMG_FILE, (uint32_t)(size - IMG_FILE));
		CHECK_OK(psc_pe_open_file(copy, size, "a", &f));
		CHECK_ERR(psc_signer_text(&f, &text), PSC_ERR_DAMAGED);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_signer),
		cmocka_unit_test(not_embedded),
		cmocka_unit_test(truncations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
