/*
 * pem.h - certificates and keys for the tests, by CN: test-ec (localhost, *.ec.example),
 * test-renewed (localhost), test-expired (localhost; ended in 2021), test-rsa (rsa.example; RSA of
 * 2048 bits). The others are on P-256, and all but the expired one are valid until 2126.
 */
#ifndef PEM_H
#define PEM_H

static const char pem_ec_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBeDCCAR6gAwIBAgIUO0sY2j/vzYcjRwE41LgjsJ8nbrwwCgYIKoZIzj0EAwIw\n"
	"EjEQMA4GA1UEAwwHdGVzdC1lYzAgFw0yNTAxMDEwMDAwMDBaGA8yMTI2MDEwMTAw\n"
	"MDAwMFowEjEQMA4GA1UEAwwHdGVzdC1lYzBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
	"A0IABJKLZ8n2DfBDxN/0XJca8Iphsm5Je2eGUI1KhMuGqztXtWb6uCwQKf7YsddI\n"
	"aHi2qn86XfgkNEqvBhKRGjupzQqjUDBOMCIGA1UdEQQbMBmCCWxvY2FsaG9zdIIM\n"
	"Ki5lYy5leGFtcGxlMAkGA1UdEwQCMAAwHQYDVR0OBBYEFJOwRd8bbJTBU8KLHY6k\n"
	"tSZ02WtXMAoGCCqGSM49BAMCA0gAMEUCIQCnRRbr60eM28eN2kYj+rw9ta8AHDf1\n"
	"GzD0kdWW5zGDlQIgZ7q1o8TBRBMLVXtSJZdSFGMox/6enCFNx9syJXCLJp0=\n"
	"-----END CERTIFICATE-----\n";

static const char pem_ec_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoqt4TCAUKLOC4iJ/\n"
	"kG79Lcm+nBczjyWJuxzijavhjdKhRANCAASSi2fJ9g3wQ8Tf9FyXGvCKYbJuSXtn\n"
	"hlCNSoTLhqs7V7Vm+rgsECn+2LHXSGh4tqp/Ol34JDRKrwYSkRo7qc0K\n"
	"-----END PRIVATE KEY-----\n";

static const char pem_renewed_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBczCCARqgAwIBAgIUPSUKQZhoKBiQmR7UjC4oQu+JjuowCgYIKoZIzj0EAwIw\n"
	"FzEVMBMGA1UEAwwMdGVzdC1yZW5ld2VkMCAXDTI1MDEwMTAwMDAwMFoYDzIxMjYw\n"
	"MTAxMDAwMDAwWjAXMRUwEwYDVQQDDAx0ZXN0LXJlbmV3ZWQwWTATBgcqhkjOPQIB\n"
	"BggqhkjOPQMBBwNCAATePTdNMxaoEK48fULYdal9oe6yHvDT9bnl8E9jXc5PkFk1\n"
	"FzlpDrgl9jHyyHftHMR0MOApdYiygH0fHnp6pi4/o0IwQDAUBgNVHREEDTALggls\n"
	"b2NhbGhvc3QwCQYDVR0TBAIwADAdBgNVHQ4EFgQUp26mKJvg0nMT+iuf5ckQq84L\n"
	"eP8wCgYIKoZIzj0EAwIDRwAwRAIgWJDi5tLCAhhCyxMkNgn7XSH4fvKuO1jO+1/z\n"
	"g83ULmMCIHkABHzCL7qRcdeZBkvuPsK1bXR1diWkW4cw2v/W6DHF\n"
	"-----END CERTIFICATE-----\n";

static const char pem_renewed_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKxzbViSoT6gEF8Pm\n"
	"Q4Vt0/n0Hn7KUYNIhbomavbAoCahRANCAATePTdNMxaoEK48fULYdal9oe6yHvDT\n"
	"9bnl8E9jXc5PkFk1FzlpDrgl9jHyyHftHMR0MOApdYiygH0fHnp6pi4/\n"
	"-----END PRIVATE KEY-----\n";

static const char pem_expired_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBczCCARigAwIBAgIUSulyQDX3P+S6bN8DGLJ1qhV4uzIwCgYIKoZIzj0EAwIw\n"
	"FzEVMBMGA1UEAwwMdGVzdC1leHBpcmVkMB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEw\n"
	"MTAwMDAwMFowFzEVMBMGA1UEAwwMdGVzdC1leHBpcmVkMFkwEwYHKoZIzj0CAQYI\n"
	"KoZIzj0DAQcDQgAEmkWBc95bl/VjBuW2pWlXwo7rZ4ylLwKOCWcYr6jZ28hofUBS\n"
	"Z2qhbCmRyBvD6WxmmdqnTm9V1kD4p/7eb6sw2KNCMEAwFAYDVR0RBA0wC4IJbG9j\n"
	"YWxob3N0MAkGA1UdEwQCMAAwHQYDVR0OBBYEFIenGoCD5k62VA4BXegKncDlQLNi\n"
	"MAoGCCqGSM49BAMCA0kAMEYCIQDQ9sHNDeR6LmNZ8jB2+C0K+0oS43GsCRl9Wy/2\n"
	"JPFbdwIhAPk7OyhmOnpKL1R4ssffg3l3pfN/178HFW/HF74V5aLM\n"
	"-----END CERTIFICATE-----\n";

static const char pem_expired_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeGvizWB68kDQOIt8\n"
	"2fhpAlj5H9Y/5Pkjs+Y/S/etFxChRANCAASaRYFz3luX9WMG5balaVfCjutnjKUv\n"
	"Ao4JZxivqNnbyGh9QFJnaqFsKZHIG8PpbGaZ2qdOb1XWQPin/t5vqzDY\n"
	"-----END PRIVATE KEY-----\n";

static const char pem_rsa_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIC+jCCAeKgAwIBAgIUSpTIBcWLY8Ny7ebEu9T9mKP8gyowDQYJKoZIhvcNAQEL\n"
	"BQAwEzERMA8GA1UEAwwIdGVzdC1yc2EwIBcNMjUwMTAxMDAwMDAwWhgPMjEyNjAx\n"
	"MDEwMDAwMDBaMBMxETAPBgNVBAMMCHRlc3QtcnNhMIIBIjANBgkqhkiG9w0BAQEF\n"
	"AAOCAQ8AMIIBCgKCAQEAmAvTl9m8MbsKfm+QOuYa+QLMuH9D8N3BKERG3s73jATa\n"
	"k0aC93paptm2CDAGgF4ag9/jBA91P+S4r/Qz5rI9JKaoUXV7yEdn3gmu6RMhhVje\n"
	"J4sooVH/dG5jat1IQveCsq/hUrHw2gfdeHg/3hDR3rXghA7uMGHox6XMU4n4sDu1\n"
	"eZCB/01TiZxpmMNVeAYBg3a6OE7Gfxe+S88bt5oBcrVVUPgyKR7BVMm0noUieSkJ\n"
	"lxAdjhF3227CjRDph9NGZcPX0n5yBbFJmQeXplf7D/j8PO+B79v9OiJyMVDZNmww\n"
	"PnCZ7pCFF6ENzqhoDUu9gw2GWfU2Fyfw+Vmo7gC/ZwIDAQABo0QwQjAWBgNVHREE\n"
	"DzANggtyc2EuZXhhbXBsZTAJBgNVHRMEAjAAMB0GA1UdDgQWBBTwwxmTAMoV8HRd\n"
	"pHOBJrFRk1MVvzANBgkqhkiG9w0BAQsFAAOCAQEAHl5mqTS7KYI6t3r1EahMgKsG\n"
	"h/YWCmGrHU3+UK+Fmz+rtQ/whX4x0Ie5WaXoGboWOzskmLoazsvyUWtYleyPIipy\n"
	"eLtzg8bw0FHjvd12gRrt3xcvb1JutPJ0r/3x5mZ/ns6aauMp7qMJUExWLFiXrIhX\n"
	"MrKarAcgjC/9lTiQjINFdLMbbMStfRClVrZCnO/Ll8QiCgedclFem8W6lbC0Vrr1\n"
	"e1TciJEasP1WaSeZK8/EXizBnh7yNJQc8hF0FDmmM7PrKDGdBS2TBhTcM0iMxxTM\n"
	"TqQeWt44TKI+d3suLz9pkJ+5ShSaQ40JTdqmpaweU/67NJC9Zvgzx9XmSPjggg==\n"
	"-----END CERTIFICATE-----\n";

static const char pem_rsa_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCYC9OX2bwxuwp+\n"
	"b5A65hr5Asy4f0Pw3cEoREbezveMBNqTRoL3elqm2bYIMAaAXhqD3+MED3U/5Liv\n"
	"9DPmsj0kpqhRdXvIR2feCa7pEyGFWN4niyihUf90bmNq3UhC94Kyr+FSsfDaB914\n"
	"eD/eENHeteCEDu4wYejHpcxTifiwO7V5kIH/TVOJnGmYw1V4BgGDdro4TsZ/F75L\n"
	"zxu3mgFytVVQ+DIpHsFUybSehSJ5KQmXEB2OEXfbbsKNEOmH00Zlw9fSfnIFsUmZ\n"
	"B5emV/sP+Pw874Hv2/06InIxUNk2bDA+cJnukIUXoQ3OqGgNS72DDYZZ9TYXJ/D5\n"
	"WajuAL9nAgMBAAECggEAQkCdAcUJwS28Y92fHlsYE7tJk3c5FqK6QR6HNx0+NtAC\n"
	"ojwOY2H4UE37iNPMcXEP4rjTBfjqYV37sAgb+YFfLTJFk8E6n8mlk9XqVntUlvNj\n"
	"Uh3MJYdCZeyX+3/StgN9+viymUMaLRdSROU5Bz2TBZWA8GpFFeYD9cLkJt6u87NU\n"
	"3YJGcoRGwBldKGCerQ7t6Fuy8EMEDFOz4w75XFnFT73r/nRp/AigAlqQjpfTbrmJ\n"
	"U2bf89pzBFpY5tjAr6yteHd7hDvHML2fKOPQ10WDcWKzr7ovCGFq+zg6c3a+OfJK\n"
	"jiqBGoVlegSP05OZ6sfU2jyXGEKCBf6rZOnyDD0AAQKBgQDK/T6CxFV3HcNOou7A\n"
	"hvKOCnKdp6h8xA6el+HwONGLh8T+rxVQbX7nsmaGeDy/hyeMCOMOyxWdb5gJpFBC\n"
	"gQA+jLQhY7D3gB6sPHQ0YyjUUkeoEcxYKYwd7C8XO5Av+pp4eMCqM+uf15bv7HSh\n"
	"i9KoBTn4fOtyOCJPIQFudZG/ZwKBgQC/wM7a9jQsBd3YYg+mCjmauc5kutZIA+ti\n"
	"90BUfv88pdH6WSBiKeaLREE26A55tdYQ2iFyBz69G+hjnCdc/BvEfLWQxDR+weD3\n"
	"Ln1EBTD5Q8z71AVwX8xwquSX+/jjrRu3LSxX/sm4yEqAWUYzueOV+HK7+nIC1WEB\n"
	"D6KCQbkAAQKBgG8LkwLefRKoyYtfPtU7/b0Oohz09wsqBgVkeUl9C8UVBQN+rF5P\n"
	"SDlgMw4lALaWLWBCDFSvbKevwLClnvKCt6uANZp+evUqtZzrhXaTOGbOjDy5X9xq\n"
	"/ifwaOKAxyQ4KAD3rg5uUNwkiIHADR3C6/7WvRve2r6lTr+TAsF2t8DJAoGBAJBu\n"
	"1mCvmlSehp96HXdftEwLMJ9G7CiKaz68JkR+9BnmfOcpQu8tyG2WF9kXqe+bO4au\n"
	"Bwsw0dz3rG97K1squm+hz9EfOLtRpfYJmmklz+GxZDE7Xm1qez9SOaURMkOsHHg5\n"
	"GnGdhKwekZ9jnzFPD1HjNejJmB7yQoLeF/YtMwABAoGAGF5Qo29Ni8rPImEf/X3g\n"
	"2b1XDGXOdI8+ib/9taBuIqgZp1cWD+vDn+DMG0bG9iO02CshBufAoMKZy1GOh3bO\n"
	"RCLb+UN8IgJL354OJm5T0xiFNysTkOA1BjUyf41uvhPlax0nNsKnhxNEnzls31A1\n"
	"9Ky+1iyR9WQDLh8BK7PPdfQ=\n"
	"-----END PRIVATE KEY-----\n";

#endif
