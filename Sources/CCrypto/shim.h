#pragma once

// The SHA-256 whose state can be kept and taken up again; EVP's cannot.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/evp.h>
#include <openssl/sha.h>
