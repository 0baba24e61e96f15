package oddshards

// The shard of 8 ordinary samples by bzip2, whole and in two parts, in base64, as the standard library has no encoder.
const (
	bzip2Whole = "QlpoOTFBWSZTWSDHIe4AAwxbgcsAQAF/4ABAafTeAAAECBgwAV" +
		"igCVQHtSAAAAAwwTAmAhoyaYBVCmFMmkT0h6gH6KP1T6j+DoHM" +
		"RITEaRFe/ftNTa4XlkEUEgjt8u/fvtnGlsXxjHXgMh7A2C+0zM" +
		"zMzOKpOQsDrIFBEh5H4AniTnS0UMzMzJJJJJXADgDCSAAjH3ng" +
		"bhMQIfEWDwFgjSEJC0RHWUQxG4qP92DAbhh4xHgWC3veIvHR2C" +
		"zULRkMh7ZYXjMGlZsqLQ3l1Cy0QWDcNNtWus+K1B8B9h5HoOB+" +
		"R6Fw2HA+49B5DA35vzVVVVVVVVVVxVaVyHI4DkOgH/F3JFOFCQIMch7g"
	bzip2Front = "QlpoOTFBWSZTWU2zGuEAAIlbgcsAQAF/oABAafTeAAAECBggAJ" +
		"INqlHtUbTSDQYTMUfqg2lU/TVAD9UHpNNABfwtJ+Y1FRIDGBVV" +
		"5MxrRJUrQQAxJnrrEtcBl2hLOMSSokwLCUMtqZd7Sxgc4Hf0v2" +
		"Bx5jHkaLEpECZMlFGJkq2VNLMutFnZVOSdRdx9hzwJfxdyRThQ" +
		"kE2zGuE="
	bzip2Rest = "QlpoOTFBWSZTWZXreQ0AAoNbgcsAQAF/4ABAafTeAAAECBgwAT" +
		"gAwwTAmAhoyaYGGCYEwENGTTARRT0JNqIaJ6IG9Eep2X5HVHgY" +
		"RhNB6849I0oAtBhASUYQE6dfPW1enWr2tndHCPkI7I2NoiIi8y" +
		"RhGhHMKjKoQj3X+Lz1xt06Zta1r3ve973v7I5R1hGiARyjAgBo" +
		"j7o6Kh6gkI0gFnKyfeUbI7I3O13stI1SU4yj05I04Rwj8YvZwO" +
		"mKKaTzgyjRQBSPNHTbkcj325CPqj8D3XwLuv9Xwthdl3H9r4F7" +
		"o3HnX3xMzMzMzM7zOk8I8LujwjqqP4LuSKcKEhK9byGg"
)
