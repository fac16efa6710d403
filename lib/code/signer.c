// SPDX-License-Identifier: MIT
#include "code/signer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "base/str.h"

static struct psc_error *damaged(const char *why)
{
	return psc_error_new(PSC_ERR_DAMAGED, "embedded signature: %s", why);
}

static struct psc_error *common_name(X509 *cert, char **ret)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	X509_NAME_ENTRY *e = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
	unsigned char *utf8 = NULL;
	int n = e ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e))
		  : -1;

	if (n < 0)
		return damaged("the signer's certificate has no common name");
	*ret = psc_text_escape((const char *)utf8, (size_t)n);
	OPENSSL_free(utf8);
	return *ret ? NULL : &psc_nomem;
}

// The certificate whose issuer and serial number the first signer names.
static struct psc_error *signer_of(PKCS7 *p7, char **ret)
{
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(p7);
	PKCS7_SIGNER_INFO *si = infos && sk_PKCS7_SIGNER_INFO_num(infos) > 0
		? sk_PKCS7_SIGNER_INFO_value(infos, 0) : NULL;
	X509 *cert;

	if (!si || !PKCS7_type_is_signed(p7) || !p7->d.sign ||
	    !p7->d.sign->cert)
		return damaged("no signer");
	cert = X509_find_by_issuer_and_serial(p7->d.sign->cert,
		si->issuer_and_serial->issuer, si->issuer_and_serial->serial);
	return cert ? common_name(cert, ret)
		    : damaged("the signer's certificate is not in it");
}

struct psc_error *psc_signer_text(const struct psc_pe_file *f, char **ret)
{
	const uint8_t *p;
	size_t n;

	if (!psc_pe_file_signature(f, &p, &n)) {
		*ret = strdup("not embedded (signed by a catalogue, or not at "
			      "all)");
		return *ret ? NULL : &psc_nomem;
	}
	PKCS7 *p7 = n > LONG_MAX ? NULL : d2i_PKCS7(NULL, &p, (long)n);
	if (!p7)
		return damaged("not a PKCS #7 structure");
	struct psc_error *err = signer_of(p7, ret);
	PKCS7_free(p7);
	return err;
}
