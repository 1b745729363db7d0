import Stock
import Testing
