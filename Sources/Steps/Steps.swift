// The first file of Steps.
